/** Brings the scoped orders into the kernel: what comes into the sets, then the rules, then what goes out of them. */
import { Problem } from '#contract/problem.ts'
import type { ScopedElement } from './firewall.ts'
import type { Ipset } from './ipset-program.ts'
import { type FilledGroup, groupsOf } from './ipset-scoped.ts'
import { addLine, create, type IpsetSpec } from './ipset-sets.ts'
import type { Tally } from './ipset-tally.ts'
import type { IptablesRules } from './iptables.ts'
import type { Placed } from './iptables-looks.ts'

const mostMembers = 524_288
const ours = /^cordon_s(\d+)$/
/** Of an earlier version. */
const former = /^cordon_(hits|last)[46]$/

type Held = ReadonlyMap<string, FilledGroup & Placed>

export class ScopedSets {
  readonly #ipset: Ipset
  readonly #rules: IptablesRules
  readonly #tally: Tally
  #held: Held = new Map()
  /** Somebody else may have changed what is there. */
  #unknown = true

  constructor(ipset: Ipset, rules: IptablesRules, tally: Tally) {
    this.#ipset = ipset
    this.#rules = rules
    this.#tally = tally
  }

  /** The groups that have rules, by their keys. */
  get held(): Held {
    return this.#held
  }

  /** The names of the sets that are surely there. */
  get sets(): readonly string[] {
    return this.#unknown ? [] : [...this.#held.values()].map(({ set }) => set)
  }

  unknown(): void {
    this.#unknown = true
  }

  /**
   * What comes is there before what goes: an order that goes from one group to another is never missing. Throws
   * `kernel_refused`; what was there before then stays.
   */
  async set(elements: readonly ScopedElement[], now: number): Promise<void> {
    const groups = grouped(elements, now)
    const there = this.#unknown ? await this.#found() : []
    const before: Held = this.#unknown ? new Map() : this.#held
    const wanted = this.#placed(groups, before, there)
    const gone = [...before.values()].filter(({ key }) => !wanted.has(key))
    const news = [...wanted.values()].filter(({ key }) => !before.has(key))
    this.#unknown = true
    await this.#ipset.run([
      ...news.map((group) => create(specOf(group))),
      ...[...wanted].flatMap(([key, group]) => comings(group, before.get(key), now)),
    ])
    if (news.length > 0 && gone.length > 0)
      await this.#rules.setScoped([...before.values(), ...news])
    if (news.length + gone.length > 0 || before !== this.#held)
      await this.#rules.setScoped([...wanted.values()])
    await this.#ipset.run([
      ...[...wanted].flatMap(([key, group]) => goings(group, before.get(key))),
      ...[...there, ...gone.map(({ set }) => set)].map((set) => `destroy ${set}`),
    ])
    this.#held = wanted
    this.#unknown = false
    for (const [key, group] of wanted) this.#count(group, before.get(key), now)
  }

  #count(group: FilledGroup & Placed, held: FilledGroup | undefined, now: number): void {
    const { set, members } = group
    if (!held) this.#tally.empty(set)
    for (const [member, end] of members)
      if (held?.members.get(member) !== end) this.#tally.put(set, end - now)
    for (const member of held?.members.keys() ?? [])
      if (!members.has(member)) this.#tally.remove(set)
  }

  #placed(groups: ReadonlyMap<string, FilledGroup>, before: Held, there: readonly string[]): Held {
    const used = [...there, ...[...before.values()].map(({ set }) => set)]
    let number = Math.max(0, ...used.map((name) => Number(ours.exec(name)?.[1] ?? 0)))
    return new Map(
      [...groups].map(([key, group]) => {
        const set = before.get(key)?.set ?? `cordon_s${++number}`
        return [key, { ...group, set }]
      }),
    )
  }

  async #found(): Promise<string[]> {
    const names = [...(await this.#ipset.headers()).keys()]
    return names.filter((name) => ours.test(name) || former.test(name))
  }
}

function comings(
  { set, members }: FilledGroup & Placed,
  held: FilledGroup | undefined,
  now: number,
) {
  return [...members]
    .filter(([member, end]) => held?.members.get(member) !== end)
    .map(([member, end]) => addLine(set, member, end - now))
}

function goings({ set, members }: FilledGroup & Placed, held: FilledGroup | undefined) {
  return [...(held?.members.keys() ?? [])]
    .filter((member) => !members.has(member))
    .map((member) => `del ${set} ${member}`)
}

function specOf({ family, side, set }: Placed): IpsetSpec {
  const type = side === undefined ? 'hash:net' : 'hash:net,port'
  return { name: set, type, family, most: mostMembers, more: 'timeout 0' }
}

function grouped(elements: readonly ScopedElement[], now: number) {
  try {
    return groupsOf(elements, now)
  } catch (error) {
    throw new Problem('kernel_refused', 'there are more kinds of orders than iptables is given', {
      remedy:
        'lift orders with interfaces, peers, rates or ranges of ports of their own, and rejects or allows of ports, or install nftables',
      cause: error,
    })
  }
}
