/** What the kernel is to hold of scoped orders: sets of intervals by what their elements have in common, and rates. */
import { createHash } from 'node:crypto'
import type { Protocol, Rate } from '#contract/action.ts'
import type { ScopedElement, ScopedWay } from './firewall.ts'

/**
 * What a packet is looked up by, besides its address. `any` is all that comes; the others are for packets whose headers
 * can be followed: later fragments have no ports (the first, which has, is stopped), and what has no header of a
 * protocol matches none.
 */
export type Part = 'any' | 'protocol' | 'to_port' | 'from_port'

export type ScopedSet = {
  readonly name: string
  readonly verdict: ScopedElement['verdict']
  readonly way: ScopedWay
  readonly family: 4 | 6
  /** Whether the interface is looked up as well: a set that has it cannot hold what names none. */
  readonly via: boolean
  readonly part: Part
}

/** Elements with their ends. */
export type HeldSet = ScopedSet & { readonly elements: ReadonlyMap<string, number> }

export type ScopedState = {
  readonly sets: ReadonlyMap<string, HeldSet>
  readonly rates: ReadonlyMap<string, Rate>
}

export const nothingScoped: ScopedState = { sets: new Map(), rates: new Map() }

const setName =
  /^(drop|reject|allow|limit)_(in|out|forward)[46](_via)?(_protocol|_to_port|_from_port)?_[0-7]_[ab]$/
const rateName = /^rate_[0-9a-f]{16}$/

export const isScopedSet = (name: unknown): boolean =>
  typeof name === 'string' && setName.test(name)
export const isScopedRate = (name: unknown): boolean =>
  typeof name === 'string' && rateName.test(name)

/** Numbers: a small system has no /etc/protocols to read names from. */
export const numbers: Record<Protocol, number> = {
  icmp: 1,
  igmp: 2,
  ipip: 4,
  tcp: 6,
  udp: 17,
  dccp: 33,
  gre: 47,
  esp: 50,
  ah: 51,
  icmpv6: 58,
  ospf: 89,
  vrrp: 112,
  sctp: 132,
  udplite: 136,
}

/** What has ended is left out. */
export function scopedState(elements: readonly ScopedElement[], now: number): ScopedState {
  const sets = new Map<string, ScopedSet & { elements: Map<string, number> }>()
  const rates = new Map<string, Rate>()
  for (const element of elements) {
    if (element.end <= now) continue
    const set = setOf(element)
    const known = sets.get(set.name) ?? { ...set, elements: new Map() }
    sets.set(set.name, known)
    const { limit } = element
    if (limit) rates.set(rateOf(limit.name), limit.rate)
    const key = keyOf(element)
    known.elements.set(limit ? `${key} ${rateOf(limit.name)}` : key, element.end)
  }
  return { sets, rates }
}

/** Elements with this in common are looked up together, and must not overlap within a layer. */
export function placeOf(element: Omit<ScopedElement, 'layer' | 'end'>): string {
  const { verdict, way, address } = element
  const via = element.interface === undefined ? '' : '_via'
  const part = partOf(element)
  return `${verdict}_${way}${address.family}${via}${part === 'any' ? '' : `_${part}`}`
}

function setOf(element: ScopedElement): ScopedSet {
  const { verdict, way, address, layer } = element
  return {
    ...{ verdict, way, family: address.family },
    name: `${placeOf(element)}_${layer}`,
    via: element.interface !== undefined,
    part: partOf(element),
  }
}

function partOf({ protocol, ports }: Pick<ScopedElement, 'protocol' | 'ports'>): Part {
  if (ports) return ports.side === 'destination' ? 'to_port' : 'from_port'
  return protocol === undefined ? 'any' : 'protocol'
}

/** The fields of the set's key, as nft reads them. */
function keyOf({ interface: device, address, protocol, ports }: ScopedElement): string {
  return [
    ...(device === undefined ? [] : [`"${device}"`]),
    address.text,
    ...(protocol === undefined ? [] : [numbers[protocol]]),
    ...(ports ? [ports.low === ports.high ? ports.low : `${ports.low}-${ports.high}`] : []),
  ].join(' . ')
}

function rateOf(name: string): string {
  return `rate_${createHash('sha256').update(name).digest('hex').slice(0, 16)}`
}
