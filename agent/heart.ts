/** Lets a heartbeat follow upon news within a second, one for all that happens in that time. */

export type HeartOn = {
  beat(): void
  monotonic(): number
}

/** What belongs together comes within this. */
const gatherMs = 100
/** However much happens, news cause no more heartbeats than one in this time. */
const betweenMs = 1_000

export class Heart {
  readonly #on: HeartOn
  #last = Number.NEGATIVE_INFINITY
  #timer: NodeJS.Timeout | undefined
  #stopped = false

  constructor(on: HeartOn) {
    this.#on = on
  }

  soon(): void {
    if (this.#timer || this.#stopped) return
    const wait = Math.max(gatherMs, this.#last + betweenMs - this.#on.monotonic())
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#last = this.#on.monotonic()
      this.#on.beat()
    }, wait).unref()
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }
}
