/** Room for kinds of scoped orders that were let in and are not in the kernel yet. */
import { inexpressible, keysOf, mostGroups, type Unplaced } from './ipset-scoped.ts'

export class Reserved {
  readonly #held: () => ReadonlySet<string>
  readonly #keys = new Set<string>()

  constructor(held: () => ReadonlySet<string>) {
    this.#held = held
  }

  /** Why an order of these elements cannot be carried out; what can has its room from then on. */
  refuses(elements: readonly Unplaced[]): string | undefined {
    const why = inexpressible(elements)
    if (why !== undefined) return why
    const held = this.#held()
    const keys = keysOf(elements)
    const news = new Set(keys.filter((key) => !held.has(key) && !this.#keys.has(key)))
    if (news.size > 0 && held.size + this.#keys.size + news.size > mostGroups)
      return `iptables needs rules for each kind of order, and more than ${mostGroups} kinds (interfaces, peers, rates, ports of a reject or an allow) are too many`
    for (const key of news) this.#keys.add(key)
    return undefined
  }

  /** What was let in is in the kernel, or was not wished after all. */
  forget(): void {
    this.#keys.clear()
  }
}
