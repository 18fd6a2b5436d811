/** How many elements each set should hold, so that it shows when somebody else puts some in or takes some out. */

/** Ends are counted together in steps of this. */
const stepMs = 10_000

type Count = {
  /** When it was last looked at; what was done since then adds to it or takes from it. */
  entries: number
  added: number
  removed: number
  /** What was about to end when it was last looked at. */
  ending: number
  readonly ends: Map<number, number>
}

export class Tally {
  readonly #counts = new Map<string, Count>()
  readonly #now: () => number

  /** Milliseconds by a clock that never goes back. */
  constructor(now: () => number) {
    this.#now = now
  }

  /** The set was emptied by us. */
  empty(set: string): void {
    this.#counts.set(set, { entries: 0, added: 0, removed: 0, ending: 0, ends: new Map() })
  }

  /** Whether it is there already is not known: it may add to the number or not. */
  put(set: string, timeoutMs: number): void {
    const count = this.#counts.get(set)
    if (!count) return
    count.added++
    const step = Math.ceil((this.#now() + timeoutMs) / stepMs)
    count.ends.set(step, (count.ends.get(step) ?? 0) + 1)
  }

  remove(set: string): void {
    const count = this.#counts.get(set)
    if (count) count.removed++
  }

  /** Nothing is known of it any more, until `empty` or `see`. */
  forget(set: string): void {
    this.#counts.delete(set)
  }

  /** What others must have done to the set, given how many elements it holds; undefined when nothing shows. */
  see(set: string, entries: number): string | undefined {
    const count = this.#counts.get(set)
    if (!count) {
      this.empty(set)
      this.#settle(set, entries, 0)
      return undefined
    }
    const ends = this.#takeEnds(count)
    const least = count.entries - count.removed - count.ending - ends
    const most = count.entries + count.added
    this.#settle(set, entries, ends)
    if (entries < least) return `elements were removed: at least ${least - entries} of ${set}`
    if (entries > most) return `elements were added: at least ${entries - most} to ${set}`
    return undefined
  }

  #settle(set: string, entries: number, ending: number): void {
    const count = this.#counts.get(set)
    if (count) Object.assign(count, { entries, added: 0, removed: 0, ending })
  }

  /** How many ends lie in the steps until the one after this. */
  #takeEnds(count: Count): number {
    const until = this.#now() / stepMs + 1
    let sum = 0
    for (const [step, ends] of count.ends) {
      if (step > until) continue
      sum += ends
      count.ends.delete(step)
    }
    return sum
  }
}
