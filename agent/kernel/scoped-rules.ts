/** The rules that look scoped orders up: their number follows from the kinds of orders, not from how many there are. Pure. */
import { portProtocols } from '#contract/action.ts'
import type { ScopedWay } from './firewall.ts'
import { plainLooks } from './plain-looks.ts'
import { asksLeaving, type Field, numbers, type ScopedSet } from './scoped.ts'

/**
 * Where a packet is: coming in, going out from this node itself, or passing through it, judged by whom it is from and
 * by whom it goes to. `again` is what came in and was let through since it is not known there by which interface it
 * leaves, judged as it would have been; it is by its headers of then, which may have been translated: what is translated
 * and from somebody who is allowed something by that interface is rather stopped than let through.
 */
const spots = ['in', 'out', 'from', 'to', 'again'] as const
type Spot = (typeof spots)[number]
const families = [4, 6] as const

/** Where plain blocks stop something, and which. */
const plainSide: Record<Spot, 'in' | 'out' | undefined> = {
  in: 'in',
  out: 'out',
  from: undefined,
  to: 'out',
  again: 'in',
}

/** Which of the sets are asked at each spot: for what is stopped, and for what is let through all the same. */
const asked: Record<Spot, { stops: readonly ScopedWay[]; allows: readonly ScopedWay[] }> = {
  in: { stops: ['in'], allows: ['in', 'forward', 'forward_from'] },
  out: { stops: ['out'], allows: ['out'] },
  from: { stops: ['forward', 'forward_from'], allows: ['in', 'forward', 'forward_from'] },
  to: { stops: ['out', 'forward', 'forward_to'], allows: ['out', 'forward', 'forward_to'] },
  again: { stops: ['in'], allows: ['in', 'forward', 'forward_from'] },
}

/**
 * Their rules follow from the scoped orders, so that they are written with them and never flushed without. Plain blocks lead
 * to `plain_`, which counts by address.
 */
export const scopedChains: readonly string[] = spots.flatMap((spot) =>
  families.flatMap((family) =>
    ['scoped', ...(plainSide[spot] ? ['plain'] : []), 'drop', 'reject', 'limit'].map(
      (kind) => `${kind}_${spot}${family}`,
    ),
  ),
)

/**
 * There while somebody is to be judged again: what was let through to be routed and is then led to this node itself
 * comes by no other.
 */
export const againChain = 'input'
const againHook = '{ type filter hook input priority -300; policy accept; }'

/** Of all the chains, which must be empty. The sets are under their names in the kernel. */
export function scopedRules(table: string, sets: readonly ScopedSet[]): string[] {
  const add = (chain: string, rules: readonly string[]) =>
    rules.map((rule) => `add rule inet ${table} ${chain} ${rule}`)
  return [
    ...families.flatMap((family) =>
      spots.flatMap((spot) => {
        const here = sets.filter((set) => set.family === family)
        if (spot === 'again' && !asksAgain(here)) return []
        return [
          ...add(`scoped_${spot}${family}`, scoped(spot, family, here)),
          ...add(`plain_${spot}${family}`, plainDrops(spot, family, here)),
          ...add(`drop_${spot}${family}`, drops(spot, 'drop', family, here)),
          ...add(`reject_${spot}${family}`, rejects(spot, family, here)),
          ...add(`limit_${spot}${family}`, drops(spot, 'limit', family, here)),
        ]
      }),
    ),
    ...(asksAgain(sets)
      ? [
          `add chain inet ${table} ${againChain} ${againHook}`,
          ...add(againChain, ['iif lo accept', ...families.flatMap((one) => judgings(one, sets))]),
        ]
      : []),
  ]
}

/** Whether there is anybody to be judged again. */
export function asksAgain(sets: Iterable<ScopedSet>): boolean {
  for (const { isAgain } of sets) if (isAgain) return true
  return false
}

function judgings(family: 4 | 6, sets: readonly ScopedSet[]): string[] {
  return againLook(family, sets).map((look) => `${look} jump scoped_again${family}`)
}

/** One or none. From whom it is stays as it was, whatever is translated. Of two sets he is to be in both. */
function againLook(family: 4 | 6, sets: readonly ScopedSet[]): string[] {
  const found = sets.filter((set) => set.isAgain && set.family === family)
  const looks = found.map(({ name }) => `${addressOf('again', family)} @${name}`)
  return looks.length > 0 ? [looks.join(' ')] : []
}

/** What is dropped before what is rejected, and what is limited last: its count is of what would pass. */
function scoped(spot: Spot, family: 4 | 6, sets: readonly ScopedSet[]): string[] {
  const limiting = looks(spot, 'limit', sets)
  const stopping = [...looks(spot, 'drop', sets), ...looks(spot, 'reject', sets)]
  switch (spot) {
    case 'in':
      return [...stopping, ...(limiting.length > 0 ? passing(family, sets) : []), ...limiting]
    case 'from':
      return [...judgings(family, sets), ...stopping, ...limiting]
    case 'again': {
      // What is for this node itself was counted when it came.
      const counted = limiting.length > 0 ? ['fib daddr type != unicast return'] : []
      return [...plainLooks(family, 'in', spot, () => true), ...stopping, ...counted, ...limiting]
    }
    default:
      return [...stopping, ...limiting]
  }
}

/** It is judged again. */
function passing(family: 4 | 6, sets: readonly ScopedSet[]): string[] {
  return againLook(family, sets).map((look) => `${look} ${elsewhere} return`)
}

/** Before it is routed, what passes through is what another machine has the address of. */
const elsewhere = 'fib daddr type unicast'

function looks(
  spot: Spot,
  verdict: 'drop' | 'reject' | 'limit',
  sets: readonly ScopedSet[],
): string[] {
  return stopping(spot, verdict, sets)
    .filter(({ counts }) => !counts)
    .flatMap((set) =>
      lookUps(spot, set).map((look) => `${look} goto ${verdict}_${spot}${set.family}`),
    )
}

/** With those that count it. */
function stopping(
  spot: Spot,
  verdict: ScopedSet['verdict'],
  sets: readonly ScopedSet[],
): ScopedSet[] {
  return sets.filter(
    (set) => set.verdict === verdict && !set.isGate && asked[spot].stops.includes(set.way),
  )
}

/** Asked only about what is about to be stopped: there is no other way to it, and clean traffic pays nothing. */
function passes(spot: Spot, family: 4 | 6, sets: readonly ScopedSet[]): string[] {
  const address = addressOf(spot, family)
  const allows = sets
    .filter((set) => isAllow(set) && asked[spot].allows.includes(set.way))
    .flatMap((set) => {
      const routed = spot === 'in' && set.way !== 'in' ? `${elsewhere} ` : ''
      if (routed && asksLeaving(set)) return []
      return lookUps(spot, set).map((look) => `${routed}${look} return`)
    })
  const later = spot === 'in' ? passing(family, sets) : []
  return [`${address} @never${family} return`, ...allows, ...later]
}

function isAllow({ verdict, isGate, isAgain }: ScopedSet): boolean {
  return verdict === 'allow' && !isGate && !isAgain
}

/** Nothing lets it pass any more: each element that is about it counts it, of drops those of drops and so on. */
function counts(spot: Spot, verdict: ScopedSet['verdict'], sets: readonly ScopedSet[]): string[] {
  return stopping(spot, verdict, sets)
    .filter((set) => set.counts)
    .flatMap((set) => lookUps(spot, set))
}

/**
 * Look-ups of those who are allowed to come, where what is addressed to this node is translated already: what the sender
 * addressed is known of the connection. What passes through is looked up as it passes.
 */
export function letIn(hook: 'input' | 'forward', sets: readonly ScopedSet[]): string[] {
  const spot = hook === 'input' ? 'in' : 'from'
  const ways = hook === 'input' ? ['in'] : asked.from.allows
  return sets
    .filter((set) => isAllow(set) && ways.includes(set.way))
    .flatMap((set) => {
      if (set.way !== 'in') return lookUps(spot, set)
      // nft reads a port of a connection only after it was said that there are ports.
      const ported = set.fields.includes('to_port') ? `meta l4proto { ${portNumbers} } ` : ''
      return lookUps(spot, set, addressed(set.family)).map((look) => `${ported}${look}`)
    })
}

const portNumbers = portProtocols.map((name) => numbers[name]).join(', ')

function addressed(family: 4 | 6): Headers {
  const peer = `ct original ${family === 4 ? 'ip' : 'ip6'} daddr`
  return { ...headers('in', family), peer, to_port: 'ct original proto-dst' }
}

/** Scoped orders that would have stopped it, too, count it as well. */
function plainDrops(spot: Spot, family: 4 | 6, sets: readonly ScopedSet[]): string[] {
  const side = plainSide[spot]
  if (!side) return []
  return [
    ...passes(spot, family, sets),
    `update @hits_${side}${family} { ${addressOf(spot, family)} counter }`,
    ...counts(spot, 'drop', sets),
    'drop',
  ]
}

/** Of several limits that would each stop a packet, each counts it, though one may have had room for it. */
function drops(
  spot: Spot,
  verdict: 'drop' | 'limit',
  family: 4 | 6,
  sets: readonly ScopedSet[],
): string[] {
  const counting = counts(spot, verdict, sets)
  return counting.length > 0 ? [...passes(spot, family, sets), ...counting, 'drop'] : []
}

/** Answers a second in one chain. Above that it is dropped: whoever forges sources would have others flooded with them. */
const mostAnswers = 1_000

/** Empty while nothing is rejected: not every kernel can do it before routing. */
function rejects(spot: Spot, family: 4 | 6, sets: readonly ScopedSet[]): string[] {
  if (stopping(spot, 'reject', sets).length === 0) return []
  const icmp = family === 4 ? 'icmp' : 'icmpv6'
  // The answers themselves: what is rejected both ways would else never be told.
  const answers =
    spot === 'out'
      ? ['tcp flags & rst == rst return', `${icmp} type destination-unreachable return`]
      : []
  return [
    ...answers,
    ...passes(spot, family, sets),
    ...counts(spot, 'reject', sets),
    `limit rate over ${mostAnswers}/second burst ${mostAnswers} packets drop`,
    'meta l4proto tcp reject with tcp reset',
    'reject with icmpx type admin-prohibited',
  ]
}

/**
 * One for each interface that may be meant. What counts a packet by the one must not by the other too: a look-up that is
 * turned round counts nothing.
 */
function lookUps(spot: Spot, set: ScopedSet, known: Headers = headers(spot, set.family)): string[] {
  const { verdict, way, fields, gate, name, counts } = set
  const sides = isFrom(spot) ? (['iifname', 'oifname'] as const) : (['oifname', 'iifname'] as const)
  const [near, far] = sides
  const key = (of: readonly Field[], device: string) =>
    of.map((field) => ({ ...known, interface: device, beyond: far })[field]).join(' . ')
  if (gate !== undefined) {
    const asked = fields.map((field) => (field === 'interface' ? 'beyond' : field))
    return [`${key(asked, near)} @${gate} ${look(key(fields, near))}`]
  }
  const either = way === 'forward' && fields.includes('interface') && !fields.includes('beyond')
  if (!either) return [look(key(fields, near))]
  const [one, other] = [key(fields, 'iifname'), key(fields, 'oifname')]
  return [look(one), counts ? `${one} != @${name} ${look(other)}` : look(other)]

  function look(text: string): string {
    return verdict === 'limit' && !counts ? `limit name ${text} map @${name}` : `${text} @${name}`
  }
}

type Headers = Record<Exclude<Field, 'interface' | 'beyond'>, string>

function headers(spot: Spot, family: 4 | 6): Headers {
  const ip = family === 4 ? 'ip' : 'ip6'
  return {
    address: addressOf(spot, family),
    peer: `${ip} ${isFrom(spot) ? 'daddr' : 'saddr'}`,
    protocol: 'meta l4proto',
    to_port: 'th dport',
    from_port: 'th sport',
  }
}

function isFrom(spot: Spot): boolean {
  return spot === 'in' || spot === 'from' || spot === 'again'
}

function addressOf(spot: Spot, family: 4 | 6): string {
  return `${family === 4 ? 'ip' : 'ip6'} ${isFrom(spot) ? 'saddr' : 'daddr'}`
}
