/** What is said of orders whose interfaces this node has not, and said anew when interfaces come and go. */
import { printable } from '#contract/printable.ts'
import type { Answer, Place } from './differences.ts'
import type { Claim } from './wished.ts'

/** Names of the interfaces that this node has now; none where that is not known. */
export type Links = () => readonly string[]

type Note = { readonly detail?: string }

export class LinkNotes {
  /** Of those of which something was said. */
  readonly #said = new WeakMap<Claim, string>()
  readonly #again = new WeakSet<Answer>()

  /** What goes with the answer that an order is applied. The interfaces are read once, and for orders that name any only. */
  reading(links: Links | undefined): (claim: Claim) => Note {
    let read: ((names: readonly string[]) => string | undefined) | undefined
    return (claim) => {
      const names = namesOf(claim)
      // Whoever lists them reads a file, and of a hundred thousand orders hardly one names any.
      if (names.length === 0) return {}
      read ??= missingAmong(links?.() ?? [])
      return this.#note(claim, read(names))
    }
  }

  /** Of claims that name interfaces those whose note is another than was said, as answers. */
  look(
    claims: ReadonlySet<Claim>,
    links: Links | undefined,
    placeOf: (audience: string) => Place,
  ): Answer[] {
    const there = claims.size > 0 ? (links?.() ?? []) : []
    // What cannot be read just now has not gone.
    if (there.length === 0) return []
    const read = missingAmong(there)
    const answers: Answer[] = []
    for (const claim of claims) {
      const detail = read(namesOf(claim))
      if (detail === this.#said.get(claim)) continue
      const { audience, decision } = claim
      const note = this.#note(claim, detail)
      answers.push({ ...placeOf(audience), decision, status: 'applied', ...note })
    }
    for (const answer of answers) this.#again.add(answer)
    return answers
  }

  /** Nothing was applied that was not before: only what is said of it is another. */
  isAgain(answer: Answer): boolean {
    return this.#again.has(answer)
  }

  #note(claim: Claim, detail: string | undefined): Note {
    if (detail === undefined) this.#said.delete(claim)
    else this.#said.set(claim, detail)
    return detail === undefined ? {} : { detail }
  }
}

/** The interfaces that it names. */
export function namesOf({ scoped }: Pick<Claim, 'scoped'>): string[] {
  return [scoped?.interface, scoped?.peer_interface].filter((name) => name !== undefined)
}

/** An interface may come later, and most often its name is a typing error: then nothing at all is stopped. */
function missingAmong(links: readonly string[]) {
  const exact = new Set(links)
  const found = new Map<string, boolean>()
  const isThere = (name: string) => {
    if (!name.endsWith('*')) return exact.has(name)
    const known = found.get(name) ?? links.some((link) => link.startsWith(name.slice(0, -1)))
    found.set(name, known)
    return known
  }
  return (names: readonly string[]): string | undefined => {
    const missing = links.length === 0 ? [] : names.filter((name) => !isThere(name))
    if (missing.length === 0) return undefined
    const printed = [...new Set(missing)].map((name) => printable(name, 40)).join(' and no ')
    return `this node has no interface ${printed} now, so it does nothing yet`
  }
}
