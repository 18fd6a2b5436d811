/** To whom this node belongs as it is now: its service, its groups, the keys; each change is kept on the disk. */
import { audiencesOf } from '#contract/audience.ts'
import { type Problem, toProblem } from '#contract/problem.ts'
import { type Membership, requireMembership, writeMembership } from './membership.ts'

/** Addresses of the service that are kept on the disk: those where it answered last. */
const mostKept = 8
/** And in memory, so that a service with many addresses is not written to the disk by turns. */
const mostMet = 64
/** Those that its name has led to lately. Whoever answers for the name must not make a node spare the whole world. */
const mostNamed = 32
/** How often the name is asked at most, however often the stream breaks off; and at least, while nothing happens. */
const askMs = { most: 30_000, least: 5 * 60_000 }

/** The addresses of a service's URL by its name; none for a URL with an address. Throws what the resolver says. */
export type Resolve = (url: string) => Promise<readonly string[]>

export class Belonging {
  readonly #folder: string
  readonly #trouble: (problem: Problem | undefined) => void
  /** What is held is not on the disk. */
  #unwritten = false
  #membership: Membership
  #audiences: ReadonlySet<string>
  #met: readonly string[]
  #named: readonly string[] = []
  #asked = Number.NEGATIVE_INFINITY

  /**
   * Throws `conflict` when this machine was never enrolled. `trouble` hears what the disk refuses later, and when it takes
   * again.
   */
  constructor(folder: string, trouble: (problem: Problem | undefined) => void) {
    this.#folder = folder
    this.#trouble = trouble
    this.#membership = requireMembership(folder)
    this.#audiences = new Set(audiencesOf(this.#membership.node, this.#membership.groups))
    this.#met = this.#membership.addresses
  }

  get membership(): Membership {
    return this.#membership
  }

  get audiences(): ReadonlySet<string> {
    return this.#audiences
  }

  keep(change: Partial<Membership>): void {
    this.#membership = { ...this.#membership, ...change }
    this.#write()
  }

  /** To be called now and then: what the disk refused is tried again. */
  mend(): void {
    if (this.#unwritten) this.#write()
  }

  #write(): void {
    try {
      writeMembership(this.#folder, this.#membership)
      if (this.#unwritten) this.#trouble(undefined)
      this.#unwritten = false
    } catch (error) {
      this.#unwritten = true
      this.#trouble(toProblem(error))
    }
  }

  /** Where the service is: never blocked here. */
  get addresses(): readonly string[] {
    return [...new Set([...this.#met, ...this.#named])]
  }

  /** The service answered from there. True when that is news. */
  meet(address: string): boolean {
    if (this.#met.includes(address)) return false
    const known = this.#named.includes(address)
    this.#met = [...this.#met, address].slice(-mostMet)
    this.keep({ addresses: this.#met.slice(-mostKept) })
    return !known
  }

  /**
   * Asks for the addresses of the service's name, if it is time: `soon` when the stream came or broke off. What the
   * name led to before stays, since the service may still be there. Resolves to whether there is news. Never throws: a
   * name that cannot be resolved now tells nothing new, and that the service is away is said elsewhere.
   */
  async lookUp(resolve: Resolve, now: number, soon: boolean): Promise<boolean> {
    if (now - this.#asked < (soon ? askMs.most : askMs.least)) return false
    this.#asked = now
    const found = await resolve(this.#membership.url).catch(() => [])
    const before = this.addresses
    const newest = found.slice(0, mostNamed)
    this.#named = [...this.#named.filter((one) => !newest.includes(one)), ...newest].slice(
      -mostNamed,
    )
    return this.addresses.some((one) => !before.includes(one))
  }

  /** The groups that the node is in from now on; returns what it follows no longer, and what is new. */
  join(groups: readonly string[]): { gone: string[]; come: string[] } {
    const before = this.#audiences
    const next = new Set(audiencesOf(this.#membership.node, groups))
    const gone = [...before].filter((audience) => !next.has(audience))
    const come = [...next].filter((audience) => !before.has(audience))
    if (gone.length + come.length > 0) {
      this.#audiences = next
      this.keep({ groups: [...groups] })
    }
    return { gone, come }
  }
}
