/** Whole states that are to be taken, one after the other and each step by step, so that live actions are never stuck behind. */
import { setImmediate } from 'node:timers/promises'
import { type AcceptOn, acceptLoad, type Load } from './accept.ts'

/** Claims that are taken in one go, about 2 ms. */
const stepSize = 500
/** Steps that are taken at most while the kernel works on those before. */
const mostAhead = 8

export class Loads {
  readonly #accept: AcceptOn
  readonly #waiting: Load[] = []
  #taking: Generator<void> | undefined

  constructor(accept: AcceptOn) {
    this.#accept = accept
  }

  /** Not everything of all of them was taken. */
  get pending(): boolean {
    return this.#taking !== undefined || this.#waiting.length > 0
  }

  add(load: Load): void {
    this.#waiting.push(load)
  }

  /** One step, of the next state when none is under way. */
  take(): void {
    const next = this.#taking ? undefined : this.#waiting.shift()
    if (next) this.#taking = acceptLoad(this.#accept, next)
    for (let count = 0; this.#taking && count < stepSize; count++)
      if (this.#taking.next().done) this.#taking = undefined
  }

  /**
   * While the kernel works on what was taken, more of the state that is under way is, until the kernel waits for it. What
   * comes over the network meanwhile has its turn between. Resolves to whether anything was taken.
   */
  async takeBeside(work: Promise<void>): Promise<boolean> {
    let over = false
    const end = () => {
      over = true
    }
    // What it comes to is heard by who began it.
    void work.then(end, end)
    let taken = 0
    while (this.#taking && (taken === 0 || (!over && taken < mostAhead))) {
      await setImmediate()
      this.take()
      taken++
    }
    return taken > 0
  }
}
