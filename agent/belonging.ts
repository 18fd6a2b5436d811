/** To whom this node belongs as it is now: its service, its groups, the keys; each change is kept on the disk. */
import { audiencesOf } from '#contract/audience.ts'
import { type Membership, requireMembership, writeMembership } from './membership.ts'

/** Addresses of the service that are remembered: those where it answered last. */
const mostAddresses = 8

export class Belonging {
  readonly #folder: string
  readonly #trouble: (error: unknown) => void
  #membership: Membership
  #audiences: ReadonlySet<string>

  /** Throws `conflict` when this machine was never enrolled. `trouble` hears what the disk refuses later. */
  constructor(folder: string, trouble: (error: unknown) => void) {
    this.#folder = folder
    this.#trouble = trouble
    this.#membership = requireMembership(folder)
    this.#audiences = new Set(audiencesOf(this.#membership.node, this.#membership.groups))
  }

  get membership(): Membership {
    return this.#membership
  }

  get audiences(): ReadonlySet<string> {
    return this.#audiences
  }

  keep(change: Partial<Membership>): void {
    this.#membership = { ...this.#membership, ...change }
    try {
      writeMembership(this.#folder, this.#membership)
    } catch (error) {
      this.#trouble(error)
    }
  }

  /** The service answered from there. True when that is news. */
  meet(address: string): boolean {
    const { addresses } = this.#membership
    if (addresses.includes(address)) return false
    this.keep({ addresses: [...addresses, address].slice(-mostAddresses) })
    return true
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
