/** Scoped orders as nft text: their sets, and the rules that look them up. As many rules as there are sets, never more. */
import type { Rate } from '#contract/action.ts'
import type { ScopedWay } from './firewall.ts'
import {
  type HeldSet,
  isScopedRate,
  isScopedSet,
  nothingScoped,
  type ScopedSet,
  type ScopedState,
} from './scoped.ts'
import { printTimeout } from './script.ts'
import { kernelTime } from './transaction.ts'

/**
 * Where a packet is: coming in, going out from this node itself, or passing through it, judged by whom it is from and
 * by whom it goes to.
 */
const spots = ['in', 'out', 'from', 'to'] as const
type Spot = (typeof spots)[number]
const families = [4, 6] as const

/** Which of the sets are asked at each spot: for what is stopped, and for what is let through all the same. */
const asked: Record<Spot, { stops: readonly ScopedWay[]; allows: readonly ScopedWay[] }> = {
  in: { stops: ['in'], allows: ['in', 'forward'] },
  out: { stops: ['out'], allows: ['out'] },
  from: { stops: ['forward'], allows: ['in', 'forward'] },
  to: { stops: ['out', 'forward'], allows: ['out', 'forward'] },
}

/** Elements that a set may come to hold, with slack for what has ended. */
const size = 65_536

/** Their rules follow from the scoped orders, so that they are written with them and never flushed without. */
export const scopedChains: readonly string[] = spots.flatMap((spot) =>
  families.flatMap((family) =>
    ['scoped', 'drop', 'reject'].map((kind) => `${kind}_${spot}${family}`),
  ),
)

/** Of a table that is there: the scoped sets, maps and rates that its listing shows. */
export type Found = { readonly kind: 'set' | 'map' | 'limit'; readonly name: string }

export function foundScoped(entries: readonly Record<string, unknown>[]): Found[] {
  return entries.flatMap((entry) =>
    (['set', 'map', 'limit'] as const).flatMap((kind): Found[] => {
      const name = nameOf(entry[kind])
      const ours = kind === 'limit' ? isScopedRate(name) : isScopedSet(name)
      return ours && name !== undefined ? [{ kind, name }] : []
    }),
  )
}

/** What stands in the table of scoped orders: what is known of it, and what was only found there. */
export type Standing = {
  readonly state: ScopedState
  /** By the name of a set without its turn the one with it. */
  readonly names: ReadonlyMap<string, string>
  readonly found: readonly Found[]
  /** Whether the rules are those that follow from the state. */
  readonly known: boolean
}

/** A table that was made just now. */
export const freshStanding: Standing = {
  state: nothingScoped,
  names: new Map(),
  found: [],
  known: true,
}

/** The turns of a set take the place of each other. */
const turns = ['a', 'b'] as const

/**
 * What is to be run, one after the other, and what then stands. A set that only grows is added to. Another one is made
 * anew beside the old, since the kernel works through a whole set for each element taken out of it; only when it is
 * full do the rules turn to it, as the kernel shows new rules a moment before new elements. Counts of rates that stay
 * go on.
 */
export function changeScoped(
  table: string,
  standing: Standing,
  wanted: ScopedState,
  now: number,
): { scripts: string[]; standing: Standing } {
  const { state, found, known } = standing
  const names = new Map(standing.names)
  const filling = [...wanted.rates]
    .filter(([name]) => !state.rates.has(name))
    .map(([name, rate]) => addRate(table, name, rate))
  const leaving: Found[] = [
    ...found.filter(({ kind }) => kind !== 'limit'),
    ...[...state.sets.values()].flatMap((set): Found[] => {
      const name = standing.names.get(set.name)
      if (name === undefined || grows(set, wanted.sets.get(set.name))) return []
      names.delete(set.name)
      return [{ kind: kindOf(set), name }]
    }),
  ]
  let turned = !known || leaving.length > 0
  for (const set of wanted.sets.values()) {
    const there = names.get(set.name)
    const name = there ?? freeName(set.name, leaving)
    if (!there) filling.push(addSet(table, set, name))
    turned ||= !there
    names.set(set.name, name)
    const before = there === undefined ? undefined : state.sets.get(set.name)?.elements
    const news = [...set.elements].filter(([key]) => !before?.has(key))
    if (news.length > 0) filling.push(addElements(table, name, news, now))
  }
  const stale = [
    ...found.flatMap(({ kind, name }) => (kind === 'limit' ? [name] : [])),
    ...state.rates.keys(),
  ].filter((name) => !wanted.rates.has(name))
  const turning = [
    ...(turned ? scopedChains.map((chain) => `flush chain inet ${table} ${chain}`) : []),
    ...leaving.map((one) => remove(table, one)),
    ...stale.map((name) => remove(table, { kind: 'limit', name })),
    ...(turned ? scopedRules(table, named(wanted, names)) : []),
  ]
  return {
    scripts: [filling, turning].filter((one) => one.length > 0).map(lines),
    standing: { state: wanted, names, found: [], known: true },
  }
}

function grows(set: HeldSet, next: HeldSet | undefined): boolean {
  return (
    next !== undefined && [...set.elements].every(([key, end]) => next.elements.get(key) === end)
  )
}

function freeName(name: string, taken: readonly Found[]): string {
  const free = turns.find((turn) => !taken.some((one) => one.name === `${name}_${turn}`))
  return `${name}_${free ?? turns[0]}`
}

/** The sets under the names that they have in the kernel. */
function named(state: ScopedState, names: ReadonlyMap<string, string>): ScopedSet[] {
  return [...state.sets.values()].map((set) => ({ ...set, name: names.get(set.name) ?? set.name }))
}

/** The rules of a table that has none of them. */
export function firstRules(table: string): string {
  return lines(scopedRules(table, []))
}

function scopedRules(table: string, sets: readonly ScopedSet[]): string[] {
  const add = (chain: string, rules: readonly string[]) =>
    rules.map((rule) => `add rule inet ${table} ${chain} ${rule}`)
  return families.flatMap((family) =>
    spots.flatMap((spot) => {
      const here = sets.filter((set) => set.family === family)
      return [
        ...add(`scoped_${spot}${family}`, looks(spot, family, here)),
        ...add(`drop_${spot}${family}`, [...passes(spot, family, here), 'drop']),
        ...add(`reject_${spot}${family}`, rejects(spot, family, here)),
      ]
    }),
  )
}

/** What is dropped before what is rejected, and what is limited last: its count is of what would pass. */
function looks(spot: Spot, family: 4 | 6, sets: readonly ScopedSet[]): string[] {
  return (['drop', 'reject', 'limit'] as const).flatMap((verdict) => {
    const goal = `${verdict === 'reject' ? 'reject' : 'drop'}_${spot}${family}`
    return sets
      .filter((set) => set.verdict === verdict && asked[spot].stops.includes(set.way))
      .flatMap((set) => keys(spot, set).map((key) => `${look(key, set)} goto ${goal}`))
  })
}

function look(key: string, { verdict, name }: ScopedSet): string {
  return verdict === 'limit' ? `limit name ${key} map @${name}` : `${key} @${name}`
}

/** Asked only about what is about to be stopped: there is no other way to it, and clean traffic pays nothing. */
function passes(spot: Spot, family: 4 | 6, sets: readonly ScopedSet[]): string[] {
  const address = addressOf(spot, family)
  const allows = sets
    .filter((set) => set.verdict === 'allow' && asked[spot].allows.includes(set.way))
    .flatMap((set) => {
      // Before it is routed, what passes through is what another machine has the address of.
      const routed = spot === 'in' && set.way === 'forward' ? 'fib daddr type unicast ' : ''
      if (routed && set.via) return []
      return keys(spot, set).map((key) => `${routed}${key} @${set.name} return`)
    })
  return [
    `${address} @never${family} return`,
    ...allows,
    `update @hits${family} { ${address} counter }`,
  ]
}

/** Empty while nothing is rejected: not every kernel can do it before routing. */
function rejects(spot: Spot, family: 4 | 6, sets: readonly ScopedSet[]): string[] {
  const used = sets.some((set) => set.verdict === 'reject' && asked[spot].stops.includes(set.way))
  if (!used) return []
  const icmp = family === 4 ? 'icmp' : 'icmpv6'
  // The answers themselves: what is rejected both ways would else never be told.
  const answers =
    spot === 'out'
      ? ['tcp flags & rst == rst return', `${icmp} type destination-unreachable return`]
      : []
  return [
    ...answers,
    ...passes(spot, family, sets),
    'meta l4proto tcp reject with tcp reset',
    'reject with icmpx type admin-prohibited',
  ]
}

/** One look-up for each interface that the way is about. */
function keys(spot: Spot, set: ScopedSet): string[] {
  const rest = [addressOf(spot, set.family), ...partKeys[set.part]].join(' . ')
  return set.via ? devices(spot, set.way).map((device) => `${device} . ${rest}`) : [rest]
}

const partKeys: Record<ScopedSet['part'], readonly string[]> = {
  any: [],
  protocol: ['meta l4proto'],
  to_port: ['meta l4proto', 'th dport'],
  from_port: ['meta l4proto', 'th sport'],
}

function devices(spot: Spot, way: ScopedWay): readonly string[] {
  if (way === 'in') return ['iifname']
  if (way === 'out') return ['oifname']
  return spot === 'in' ? ['iifname'] : ['iifname', 'oifname']
}

function addressOf(spot: Spot, family: 4 | 6): string {
  return `${family === 4 ? 'ip' : 'ip6'} ${spot === 'in' || spot === 'from' ? 'saddr' : 'daddr'}`
}

function addSet(table: string, set: ScopedSet, name: string): string {
  const fields = [
    ...(set.via ? ['ifname'] : []),
    `ipv${set.family}_addr`,
    ...(set.part === 'any' ? [] : ['inet_proto']),
    ...(set.part === 'to_port' || set.part === 'from_port' ? ['inet_service'] : []),
  ].join(' . ')
  const type = set.verdict === 'limit' ? `${fields} : limit` : fields
  return `add ${kindOf(set)} inet ${table} ${name} { type ${type}; flags interval, timeout; size ${size}; }`
}

function addElements(
  table: string,
  name: string,
  elements: readonly (readonly [key: string, end: number])[],
  now: number,
): string {
  const printed = elements.map(([text, end]) => {
    const timeout = `timeout ${printTimeout(kernelTime(end - now))}`
    const rate = /^(.*) (rate_\w+)$/.exec(text)
    return rate ? `${rate[1]} ${timeout} : "${rate[2]}"` : `${text} ${timeout}`
  })
  return `add element inet ${table} ${name} { ${printed.join(', ')} }`
}

function addRate(table: string, name: string, { packets, per, burst }: Rate): string {
  return `add limit inet ${table} ${name} { rate over ${packets}/${per} burst ${burst} packets; }`
}

function remove(table: string, { kind, name }: Found): string {
  return `delete ${kind} inet ${table} ${name}`
}

function kindOf({ verdict }: ScopedSet): 'set' | 'map' {
  return verdict === 'limit' ? 'map' : 'set'
}

function lines(all: readonly string[]): string {
  return all.map((line) => `${line}\n`).join('')
}

function nameOf(entry: unknown): string | undefined {
  if (typeof entry !== 'object' || entry === null || !('name' in entry)) return undefined
  return typeof entry.name === 'string' ? entry.name : undefined
}
