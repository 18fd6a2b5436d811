/** What scoped elements stopped, out of counters that begin anew whenever what they stand in is made anew. */
import type { ScopedElement, ScopedHit } from './firewall.ts'

/** By the name of a counter the elements that it counts for. */
export type Counted = ReadonlyMap<string, readonly ScopedElement[]>

export class Counters {
  #counted: Counted = new Map()
  /** What each counter showed last; none has shown anything where it is missing. */
  readonly #seen = new Map<string, number>()
  #news: ScopedHit[] = []

  get isEmpty(): boolean {
    return this.#counted.size === 0
  }

  /** What counters show now. Those that count for nothing are passed over. */
  see(shown: ReadonlyMap<string, number>): void {
    for (const [name, packets] of shown) {
      const elements = this.#counted.get(name)
      if (!elements) continue
      const before = this.#seen.get(name) ?? 0
      this.#seen.set(name, packets)
      const more = packets < before ? packets : packets - before
      if (more > 0) this.#news.push(...elements.map((element) => ({ element, packets: more })))
    }
  }

  /** From now on these count for these; those that were `made` just now began at nought. */
  hold(counted: Counted, made: (name: string) => boolean): void {
    this.#counted = counted
    for (const name of this.#seen.keys())
      if (!counted.has(name) || made(name)) this.#seen.delete(name)
  }

  /** What was stopped since this was asked last. */
  take(): readonly ScopedHit[] {
    const news = this.#news
    this.#news = []
    return news
  }
}
