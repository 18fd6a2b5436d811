/** What the kernel is to hold of scoped orders: sets of intervals by what their elements have in common, and rates. */
import { hash } from 'node:crypto'
import type { Protocol, Rate } from '#contract/action.ts'
import { widen } from '#contract/address.ts'
import type { ScopedElement, ScopedWay } from './firewall.ts'

/**
 * What a packet is looked up by, in this order. The interface is the one on the side of the address, `beyond` the one on
 * the side of the peer; a set that has either cannot hold what names none. Protocol and ports are those of packets whose
 * headers can be followed: later fragments have no ports (the first, which has, is stopped), and what has no header of a
 * protocol matches none.
 */
export type Field =
  | 'interface'
  | 'beyond'
  | 'address'
  | 'peer'
  | 'protocol'
  | 'to_port'
  | 'from_port'

export type ScopedSet = {
  readonly name: string
  readonly verdict: ScopedElement['verdict']
  readonly way: ScopedWay
  readonly family: 4 | 6
  readonly fields: readonly Field[]
  /** The set that is asked about the interface beyond, where one key cannot hold all; it is asked before this one. */
  readonly gate?: string | undefined
  /** Whether it is such a set. */
  readonly isGate: boolean
  /** Whether it is the one of those who are let through before they are routed, and judged where it is known how. */
  readonly isAgain: boolean
  /** Beside a set of what is stopped the one that counts it: asked only when that is certain. */
  readonly counts: boolean
}

/**
 * Elements with their ends. Those that count have none, so that what they counted is there until it was read, and goes on
 * when an end becomes another.
 */
export type HeldSet = ScopedSet & { readonly elements: ReadonlyMap<string, number> }

export type ScopedState = {
  readonly sets: ReadonlyMap<string, HeldSet>
  readonly rates: ReadonlyMap<string, Rate>
  /** What counts for an element, by the mark that its comment bears. */
  readonly counters: ReadonlyMap<string, Counter>
}

export type Counter = { readonly set: string; readonly element: ScopedElement }

export const nothingScoped: ScopedState = { sets: new Map(), rates: new Map(), counters: new Map() }

const noEnd = Number.POSITIVE_INFINITY

const setName =
  /^again[46]_[ab]$|^(count_)?(drop|reject|allow|limit)_(in|out|forward(_from|_to)?)[46](_via)?(_beyond)?(_peer)?(_protocol|_to_port|_from_port)?(_gate)?_[0-7]_[ab]$/
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
  const counters = new Map<string, Counter>()
  const put = (set: ScopedSet, key: string, end: number) => {
    const known = sets.get(set.name) ?? { ...set, elements: new Map<string, number>() }
    sets.set(set.name, known)
    known.elements.set(key, end)
  }
  for (const [set, key, end] of judgedAgain(elements, now)) put(set, key, end)
  for (const element of elements) {
    const { limit, end } = element
    if (end <= now) continue
    if (limit) rates.set(rateOf(limit.name), limit.rate)
    for (const set of setsOf(element)) {
      const key = keyOf(element, set.fields)
      const bare = limit === undefined || set.isGate || set.counts
      put(set, bare ? key : `${key} ${rateOf(limit.name)}`, set.counts ? noEnd : end)
      if (set.counts) counters.set(markOf(set.name, key), { set: set.name, element })
    }
  }
  return { sets, rates, counters }
}

/** Listings differ in how they print a key; a comment is printed as it is. */
export function markOf(set: string, key: string): string {
  return digest(`${set} ${key}`)
}

type Unplaced = Omit<ScopedElement, 'layer' | 'end'>

/** Elements with this in common are looked up together, and must not overlap within a layer. */
export function placeOf(element: Unplaced): string {
  const { verdict, way, address } = element
  const fields = fieldsOf(element)
  const names = [
    ...(fields.includes('interface') ? ['via'] : []),
    ...(['beyond', 'peer'] as const).filter((field) => fields.includes(field)),
    ...lastOf(element),
  ]
  return [`${verdict}_${way}${address.family}`, ...names].join('_')
}

/** Bytes of a key that the kernel takes at most, and fields of a set that nft can read from it again. */
const longestKey = 64
const mostFields = 5

/**
 * Whether it takes two keys, one for each interface. Within a layer such elements must be apart whatever their interfaces
 * are: what else a packet is then leads to one element only, and so both keys are of the same.
 */
export function isParted(element: Unplaced): boolean {
  const address = element.address.family === 4 ? 4 : 16
  const sizes = { interface: 16, beyond: 16, address, peer: address, protocol: 4 }
  const size = (field: Field) => (field === 'to_port' || field === 'from_port' ? 4 : sizes[field])
  const fields = fieldsOf(element)
  const bytes = fields.reduce((sum, field) => sum + size(field), 0)
  return fields.length > mostFields || bytes > longestKey
}

function setsOf(element: ScopedElement): ScopedSet[] {
  const { verdict, way, address, layer } = element
  const fields = fieldsOf(element)
  const place = placeOf(element)
  const name = `${place}_${layer}`
  const kind = { isGate: false, isAgain: false, counts: false }
  const set: ScopedSet = { name, verdict, way, family: address.family, fields, ...kind }
  if (!isParted(element)) return [set, ...countingOf(set)]
  const gate = `${place}_gate_${layer}`
  const without = (other: Field) => fields.filter((field) => field !== other)
  const gated = { ...set, fields: without('beyond'), gate }
  return [
    { ...set, name: gate, fields: without('interface'), isGate: true },
    gated,
    ...countingOf(gated),
  ]
}

/** Of what comes from the address and passes through: whether it follows from the interface by which it leaves. */
export function asksLeaving({ way, fields }: Pick<ScopedSet, 'way' | 'fields'>): boolean {
  if (way === 'forward' && fields.includes('interface')) return true
  return (way === 'forward' || way === 'forward_from') && fields.includes('beyond')
}

/** Whether it lets through what must be let through before it is known whether it may. */
export function isJudgedAgain(element: Unplaced): boolean {
  const { verdict, way } = element
  return verdict === 'allow' && asksLeaving({ way, fields: fieldsOf(element) })
}

/** How long they outlive what is allowed, or a packet could be let through to a judgement that has ended meanwhile. */
const lingering = 600_000

/**
 * From whom something is allowed by the interface by which it leaves. Of networks in one another the widest is there, as
 * the kernel takes no others: more is then judged twice, and nothing else than before comes of it.
 */
function* judgedAgain(
  elements: readonly ScopedElement[],
  now: number,
): Generator<[set: ScopedSet, key: string, end: number]> {
  const asking = elements.filter((element) => element.end > now && isJudgedAgain(element))
  const lengths = [...new Set(asking.map(({ address }) => address.prefix))].sort((a, b) => a - b)
  const ends = new Map<string, { family: 4 | 6; end: number }>()
  const widest = (address: ScopedElement['address']) =>
    lengths.map((length) => widen(address, length).text).find((text) => ends.has(text))
  for (const { address, end } of [...asking].sort((a, b) => a.address.prefix - b.address.prefix)) {
    const text = widest(address) ?? address.text
    const latest = Math.max(end + lingering, ends.get(text)?.end ?? 0)
    ends.set(text, { family: address.family, end: latest })
  }
  for (const [text, { family, end }] of ends) {
    const kind = { isGate: false, isAgain: true, counts: false }
    const what = { verdict: 'allow', way: 'forward', family, fields: ['address'] } as const
    yield [{ name: `again${family}`, ...what, ...kind }, text, end]
  }
}

/** What is allowed is not counted. */
function countingOf(set: ScopedSet): ScopedSet[] {
  return set.verdict === 'allow' ? [] : [{ ...set, name: `count_${set.name}`, counts: true }]
}

function fieldsOf(element: Unplaced): Field[] {
  const last = lastOf(element)
  return [
    ...(element.interface === undefined ? [] : (['interface'] as const)),
    ...(element.peerInterface === undefined ? [] : (['beyond'] as const)),
    'address',
    ...(element.peer ? (['peer'] as const) : []),
    ...(last.length > 0 ? (['protocol'] as const) : []),
    ...last.filter((field) => field !== 'protocol'),
  ]
}

/** The narrowest of what it says about headers after those of addresses. */
function lastOf({ protocol, ports }: Unplaced): ('protocol' | 'to_port' | 'from_port')[] {
  if (ports) return [ports.side === 'destination' ? 'to_port' : 'from_port']
  return protocol === undefined ? [] : ['protocol']
}

/** The fields of the set's key, as nft reads them. */
function keyOf(element: ScopedElement, fields: readonly Field[]): string {
  return fields.map((field) => printField(element, field)).join(' . ')
}

function printField(element: ScopedElement, field: Field): string {
  const { interface: device, peerInterface, address, peer, protocol, ports } = element
  switch (field) {
    case 'interface':
      return `"${device}"`
    case 'beyond':
      return `"${peerInterface}"`
    case 'address':
      return address.text
    case 'peer':
      return `${peer?.text}`
    case 'protocol':
      return `${protocol && numbers[protocol]}`
    default:
      return ports?.low === ports?.high ? `${ports?.low}` : `${ports?.low}-${ports?.high}`
  }
}

function rateOf(name: string): string {
  return `rate_${digest(name)}`
}

function digest(text: string): string {
  return hash('sha256', text).slice(0, 16)
}
