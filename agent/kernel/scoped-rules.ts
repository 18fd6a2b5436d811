/** The rules that look scoped orders up: their number follows from the kinds of orders, not from how many there are. Pure. */
import { plainLooks } from './plain-looks.ts'
import { asksLeaving, type ScopedSet } from './scoped.ts'
import { addressOf, lookUps } from './scoped-look-ups.ts'
import { allowing, plainSide, type Spot, spots, stopping } from './scoped-spots.ts'

const families = [4, 6] as const

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

/** Asked only about what is about to be stopped: there is no other way to it, and clean traffic pays nothing. */
function passes(spot: Spot, family: 4 | 6, sets: readonly ScopedSet[]): string[] {
  const address = addressOf(spot, family)
  const allows = allowing(spot, sets).flatMap((set) => {
    const routed = spot === 'in' && set.way !== 'in' ? `${elsewhere} ` : ''
    if (routed && asksLeaving(set)) return []
    return lookUps(spot, set).map((look) => `${routed}${look} return`)
  })
  const later = spot === 'in' ? passing(family, sets) : []
  return [`${address} @never${family} return`, ...allows, ...later]
}

/** Nothing lets it pass any more: each element that is about it counts it, of drops those of drops and so on. */
function counts(spot: Spot, verdict: ScopedSet['verdict'], sets: readonly ScopedSet[]): string[] {
  return stopping(spot, verdict, sets)
    .filter((set) => set.counts)
    .flatMap((set) => lookUps(spot, set))
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
