/** Brings the scoped orders into the kernel: what comes into the sets, then the rules, then what goes out of them. */
import { Problem } from '#contract/problem.ts'
import { Counters } from './counters.ts'
import type { ScopedElement, ScopedHit } from './firewall.ts'
import { readCounts } from './ipset-hits.ts'
import type { Ipset } from './ipset-program.ts'
import { type FilledGroup, groupsOf } from './ipset-scoped.ts'
import { addLine, create, type IpsetSpec } from './ipset-sets.ts'
import type { Tally } from './ipset-tally.ts'
import type { IptablesRules } from './iptables.ts'
import { isStopping, type Placed } from './iptables-looks.ts'
import type { Turns } from './turns.ts'

const mostMembers = 524_288
const ours = /^cordon_s(\d+)$/
/** Of an earlier version. */
const former = /^cordon_(hits|last)[46]$/

type Held = ReadonlyMap<string, FilledGroup & Placed>

export class ScopedSets {
  readonly #ipset: Ipset
  readonly #rules: IptablesRules
  readonly #tally: Tally
  readonly #counters = new Counters()
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

  /** What each element stopped since this was asked last. Between two sets others have their turn: `set` among them. */
  async hits(turn: Turns): Promise<readonly ScopedHit[]> {
    for (const set of this.#counting()) await turn(() => this.#read([{ set }]))
    return this.#counters.take()
  }

  #counting(): string[] {
    if (this.#unknown) return []
    return [...this.#held.values()].filter(isStopping).map(({ set }) => set)
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
    // What cannot be read is lost alone. Of a set that stays nothing is lost but what single members counted of late.
    const going = [...gone.filter(isStopping), ...there.map((set) => ({ set }))]
    await this.#read(going).catch(() => undefined)
    await this.#ipset.run([
      ...[...wanted].flatMap(([key, group]) => goings(group, before.get(key))),
      ...[...there, ...gone.map(({ set }) => set)].map((set) => `destroy ${set}`),
    ])
    this.#held = wanted
    this.#unknown = false
    for (const [key, group] of wanted) this.#count(group, before.get(key), now)
    const made = new Set(news.map(({ set }) => set))
    this.#counters.hold(countersOf(wanted), (name) => made.has(name.split(' ', 1)[0] ?? ''))
  }

  async #read(groups: readonly Pick<Placed, 'set'>[]): Promise<void> {
    if (this.#counters.isEmpty) return
    for (const { set } of groups) {
      const found = await readCounts(this.#ipset, set)
      this.#counters.see(new Map(found.map(([member, count]) => [`${set} ${member}`, count])))
    }
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

/** To put one again for another time leaves its count as it is; the place of one that ended may have the count of that. */
function comings(group: FilledGroup & Placed, held: FilledGroup | undefined, now: number) {
  const { set, members } = group
  const anew = isStopping(group) ? ' packets 0 bytes 0' : ''
  return [...members]
    .filter(([member, end]) => held?.members.get(member) !== end)
    .map(
      ([member, end]) =>
        `${addLine(set, member, end - now)}${held?.members.has(member) ? '' : anew}`,
    )
}

function countersOf(held: Held) {
  return new Map(
    [...held.values()]
      .filter(isStopping)
      .flatMap(({ set, elements }) =>
        [...elements].map(([member, all]) => [`${set} ${member}`, all] as const),
      ),
  )
}

function goings({ set, members }: FilledGroup & Placed, held: FilledGroup | undefined) {
  return [...(held?.members.keys() ?? [])]
    .filter((member) => !members.has(member))
    .map((member) => `del ${set} ${member}`)
}

export function specOf(group: Placed): IpsetSpec {
  const { family, side, set } = group
  const type = side === undefined ? 'hash:net' : 'hash:net,port'
  const more = isStopping(group) ? 'timeout 0 counters' : 'timeout 0'
  return { name: set, type, family, most: mostMembers, more }
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
