/** Brings the scoped orders into the kernel: sets of a new generation, then the rules that look there, then the old sets go. */
import { Problem } from '#contract/problem.ts'
import type { ScopedElement } from './firewall.ts'
import type { Ipset } from './ipset-program.ts'
import { type FilledGroup, type Group, groupsOf } from './ipset-scoped.ts'
import { addLine, create, type IpsetSpec } from './ipset-sets.ts'
import type { IptablesRules } from './iptables.ts'
import type { Placed } from './iptables-rules.ts'

const mostMembers = 524_288
const ours = /^cordon_s(\d+)_\d+$/

export class ScopedSets {
  readonly #ipset: Ipset
  readonly #rules: IptablesRules
  #groups = new Map<string, Placed>()
  /** What the kernel holds, as one text; undefined when that is not known. */
  #written: string | undefined

  constructor(ipset: Ipset, rules: IptablesRules) {
    this.#ipset = ipset
    this.#rules = rules
  }

  /** The keys of the groups that have rules. */
  get held(): ReadonlySet<string> {
    return new Set(this.#groups.keys())
  }

  /** Somebody else may have changed what is there. */
  unknown(): void {
    this.#written = undefined
  }

  /**
   * An order that goes from one table to another stands in both for a moment, so that it is never missing. Throws
   * `kernel_refused`; what was there before then stays.
   */
  async set(elements: readonly ScopedElement[], now: number): Promise<void> {
    const groups = grouped(elements, now)
    const wished = JSON.stringify([...groups].map(([key, { members }]) => [key, [...members]]))
    if (wished === this.#written) return
    const there = [...(await this.#ipset.headers()).keys()].filter((name) => ours.test(name))
    const generation = 1 + Math.max(0, ...there.map((name) => Number(ours.exec(name)?.[1])))
    const placed = new Map<string, Placed>()
    for (const [key, group] of groups)
      placed.set(key, { ...withoutMembers(group), set: `cordon_s${generation}_${placed.size}` })
    try {
      await this.#fill(groups, placed, now)
      const before = this.#written === undefined ? [] : [...this.#groups.values()]
      if (before.length > 0) await this.#rules.setScoped([...before, ...placed.values()])
      await this.#rules.setScoped([...placed.values()])
    } catch (error) {
      this.#written = undefined
      throw error
    }
    this.#groups = placed
    this.#written = wished
    await this.#ipset.run(there.map((name) => `destroy ${name}`))
  }

  async #fill(
    groups: ReadonlyMap<string, FilledGroup>,
    placed: ReadonlyMap<string, Placed>,
    now: number,
  ): Promise<void> {
    const lines = [...placed].flatMap(([key, group]) => {
      const { members } = groups.get(key) ?? { members: new Map<string, number>() }
      return [
        create(specOf(group)),
        ...[...members].map(([member, end]) => addLine(group.set, member, end - now)),
      ]
    })
    await this.#ipset.run(lines)
  }
}

function specOf({ family, side, set }: Placed): IpsetSpec {
  const type = side === undefined ? 'hash:net' : 'hash:net,port'
  return { name: set, type, family, most: mostMembers, more: 'timeout 0' }
}

function withoutMembers({ members: _, ...group }: FilledGroup): Group {
  return group
}

function grouped(elements: readonly ScopedElement[], now: number) {
  try {
    return groupsOf(elements, now)
  } catch (error) {
    throw new Problem('kernel_refused', 'there are more kinds of orders than iptables is given', {
      remedy:
        'lift orders with interfaces, ranges of ports or rates of their own, or install nftables',
      cause: error,
    })
  }
}
