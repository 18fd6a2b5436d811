/** Room for kinds of scoped orders that were let in and are not in the kernel yet. */
import { type Group, inexpressible, newGroups, tooMany, type Unplaced } from './ipset-scoped.ts'

type Groups = ReadonlyMap<string, Group>

export class Reserved {
  readonly #held: () => Groups
  #letIn: Groups = new Map()

  constructor(held: () => Groups) {
    this.#held = held
  }

  /** Why an order of these elements cannot be carried out; what can has its room from then on. */
  refuses(elements: readonly Unplaced[]): string | undefined {
    const why = inexpressible(elements)
    if (why !== undefined) return why
    const [before, news] = [new Map([...this.#held(), ...this.#letIn]), newGroups(elements)]
    if ([...news.keys()].every((key) => before.has(key))) return undefined
    const all = new Map([...before, ...news])
    const many = tooMany(all.values())
    if (many !== undefined) return many
    this.#letIn = new Map([...this.#letIn, ...news])
    return undefined
  }

  /** What was let in is in the kernel, or was not wished after all. */
  forget(): void {
    this.#letIn = new Map()
  }
}
