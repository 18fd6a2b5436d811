/** The rules that look scoped orders up: their number follows from the kinds of orders, not from how many there are. Pure. */
import type { ScopedWay } from './firewall.ts'
import type { ScopedSet } from './scoped.ts'

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

/** Their rules follow from the scoped orders, so that they are written with them and never flushed without. */
export const scopedChains: readonly string[] = spots.flatMap((spot) =>
  families.flatMap((family) =>
    ['scoped', 'drop', 'reject'].map((kind) => `${kind}_${spot}${family}`),
  ),
)

/** Of all the chains, which must be empty. The sets are under their names in the kernel. */
export function scopedRules(table: string, sets: readonly ScopedSet[]): string[] {
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

/** Answers a second in one chain. Above that it is dropped: whoever forges sources would have others flooded with them. */
const mostAnswers = 1_000

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
    `limit rate over ${mostAnswers}/second burst ${mostAnswers} packets drop`,
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
