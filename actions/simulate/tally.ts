/** How many blocks are in force and new in a simulated world, counted anew as rarely as the service does. */

const staleMs = 1_000
const windowMs = 60_000

export class Tally {
  /** As it is. */
  inForce = 0
  /** As it was last counted, and what came since: what ceilings look at. */
  shownInForce = 0
  shownRecent = 0
  #counted = Number.NEGATIVE_INFINITY
  #recent: number[]

  /** Times of the newest blocks, oldest first. */
  constructor(recent: readonly number[]) {
    this.#recent = [...recent]
  }

  refresh(now: number): void {
    if (now - this.#counted < staleMs && now >= this.#counted) return
    const first = this.#recent.findIndex((at) => at > now - windowMs)
    this.#recent = first < 0 ? [] : this.#recent.slice(first)
    this.shownInForce = this.inForce
    this.shownRecent = this.#recent.length
    this.#counted = now
  }

  made(now: number): void {
    this.#recent.push(now)
    this.shownInForce++
    this.shownRecent++
  }
}
