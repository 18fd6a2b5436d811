/** How long a disk that refused everything is left alone: each time twice as long, and then it is tried again. */
const pauseMs = { first: 100, longest: 5_000 }

export class Pause {
  readonly #now: () => number
  readonly #over: () => void
  /** The last one, 0 while the disk takes. */
  #ms = 0
  #until = Number.NEGATIVE_INFINITY
  #timer: NodeJS.Timeout | undefined

  /** `now` counts milliseconds since boot; `over` is called also when nothing happens. */
  constructor(now: () => number, over: () => void) {
    this.#now = now
    this.#over = over
  }

  /** It is too early to try. */
  get lasts(): boolean {
    return this.#ms > 0 && this.#now() < this.#until
  }

  /** The disk refused again. */
  begin(): void {
    this.#ms = Math.min(pauseMs.longest, Math.max(pauseMs.first, this.#ms * 2))
    this.#until = this.#now() + this.#ms
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      this.#until = Number.NEGATIVE_INFINITY
      this.#over()
    }, this.#ms).unref()
  }

  /** The disk takes. True when it did not before. */
  end(): boolean {
    clearTimeout(this.#timer)
    const refused = this.#ms > 0
    this.#ms = 0
    return refused
  }
}
