/** How many elements each set should hold, so that it shows when somebody else puts some in or takes some out. */

/** Ends are counted together in steps of this. */
const stepMs = 10_000
/** Steps after its own in which an end is still allowed for: the kernel ends at whole seconds, and looks come late. */
const graceSteps = 2

type Count = {
  /** When it was last looked at; what was done since then adds to it or takes from it. */
  entries: number
  added: number
  removed: number
  /** By step. */
  readonly ends: Map<number, number>
}

/**
 * What is put again may add to a set or not, and what is about to end may have ended or not. So the number is known
 * within bounds only: what others take out while as much is about to end goes unseen until all is filled anew.
 */
export class Tally {
  readonly #counts = new Map<string, Count>()
  readonly #now: () => number

  /** Milliseconds by a clock that never goes back. */
  constructor(now: () => number) {
    this.#now = now
  }

  /** The set was emptied by us. */
  empty(set: string): void {
    this.#counts.set(set, { entries: 0, added: 0, removed: 0, ends: new Map() })
  }

  put(set: string, timeoutMs: number): void {
    const count = this.#counts.get(set)
    if (!count) return
    count.added++
    const step = Math.floor((this.#now() + timeoutMs) / stepMs)
    count.ends.set(step, (count.ends.get(step) ?? 0) + 1)
  }

  remove(set: string): void {
    const count = this.#counts.get(set)
    if (count) count.removed++
  }

  /**
   * What others must have done to the set, given how many elements it holds; undefined when nothing shows. Nothing is
   * known of what was there before it was emptied by us.
   */
  see(set: string, entries: number): string | undefined {
    const count = this.#counts.get(set)
    if (!count) return undefined
    const least = count.entries - count.removed - this.#mayHaveEnded(count)
    const most = count.entries + count.added
    Object.assign(count, { entries, added: 0, removed: 0 })
    if (entries < least) return `elements were removed: at least ${least - entries} of ${set}`
    if (entries > most) return `elements were added: at least ${entries - most} to ${set}`
    return undefined
  }

  #mayHaveEnded({ ends }: Count): number {
    const here = Math.floor(this.#now() / stepMs)
    let sum = 0
    for (const [step, count] of ends) {
      if (step > here) continue
      sum += count
      if (step + graceSteps < here) ends.delete(step)
    }
    return sum
  }
}
