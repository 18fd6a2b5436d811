/** Scoped orders for ipset and iptables: groups of elements that one rule can look up, and what no rule can. */
import type { Protocol, Rate } from '#contract/action.ts'
import type { PortSide, PortSpan, ScopedElement, ScopedWay } from './firewall.ts'
import { uncountable } from './hashlimit.ts'
import type { Family } from './iptables-program.ts'

export type Unplaced = Omit<ScopedElement, 'layer' | 'end'>

/**
 * What elements have in common that stand in one set and are looked up by the same rules. Interfaces, peers, wide ranges
 * of ports and rates stand in the rule: no set that every kernel has holds them together with what else there is. So the
 * number of rules follows from how many different ones there are, never from how many orders, and it has a ceiling.
 */
export type Group = {
  readonly key: string
  readonly verdict: ScopedElement['verdict']
  readonly way: ScopedWay
  readonly family: Family
  readonly interface: string | undefined
  readonly peer: string | undefined
  readonly peerInterface: string | undefined
  readonly protocol: Protocol | undefined
  /** In the rule. */
  readonly span: PortSpan | undefined
  /** Of the ports in the set. */
  readonly side: PortSide | undefined
  readonly limit: Bucket | undefined
}

/**
 * A rate is counted for each network of this length. Where two orders have the same rate for the same target but other
 * ports, their packets are counted in slots of their own. What is counted from a target and to it together has one count
 * for its name: no rule looks for an address on either side of a packet.
 */
type Bucket = { readonly rate: Rate } & (
  | { readonly prefix: number; readonly slot: number }
  | { readonly name: string }
)

/** Members with their ends, as ipset reads them. */
export type FilledGroup = Group & {
  readonly members: ReadonlyMap<string, number>
  /** Which elements each of them is of. */
  readonly elements: ReadonlyMap<string, readonly ScopedElement[]>
}

/**
 * Different kinds of orders on a node, each of which is two dozen rules at most. Every packet passes them: where another peer
 * or interface shows that one is not for it, that takes a fraction of what it takes to look it up.
 */
const mostLookedUp = 64
const mostSetApart = 4 * mostLookedUp
/** Twice what is let in: what was let in together with what stood there meanwhile. */
const timesEver = 2
/** Ports of one element that stand in the set one by one; more are a range in the rule. */
const mostPortsInSet = 64
/** Of all groups together. */
const mostMembers = 500_000
const portsInSets: ReadonlySet<Protocol> = new Set(['tcp', 'udp', 'sctp', 'udplite'])

/** Why elements of one order cannot be expressed, whatever else is there. */
export function inexpressible(elements: readonly Unplaced[]): string | undefined {
  for (const { interface: device, peerInterface, protocol, address, limit } of elements) {
    const unread = [device, peerInterface].find((name) => name !== undefined && !isRead(name))
    if (unread !== undefined)
      return `iptables would not read the interface ${unread} as it is meant`
    if (protocol === 'ah' && address.family === 6) return 'ip6tables never sees ah as a protocol'
    const rate = limit && uncountable(limit.rate)
    if (rate !== undefined) return rate
  }
  return undefined
}

function isRead(device: string): boolean {
  return /^[A-Za-z0-9_.@][A-Za-z0-9_.@-]*\*?$/.test(device)
}

/** By their keys. What has ended is left out. */
export function groupsOf(
  elements: readonly ScopedElement[],
  now: number,
): Map<string, FilledGroup> {
  const groups = new Map<string, Filling>()
  const left = elements.filter(({ end }) => end > now)
  const bucketOf = bucketsFor(left)
  let count = 0
  for (const element of left) {
    const group = groupOf(element, bucketOf(element))
    const known = groups.get(group.key) ?? { ...group, members: new Map(), elements: new Map() }
    groups.set(group.key, known)
    for (const member of membersOf(element)) {
      known.members.set(member, Math.max(element.end, known.members.get(member) ?? 0))
      known.elements.set(member, [...(known.elements.get(member) ?? []), element])
      count++
    }
  }
  if (tooMany(groups.values(), timesEver) || count > mostMembers) throw new RangeError('too many')
  return groups
}

type Filling = FilledGroup & {
  members: Map<string, number>
  elements: Map<string, readonly ScopedElement[]>
}

/** The groups that an order would come into, by their keys, where it is the only one for its target. */
export function newGroups(elements: readonly Unplaced[]): Map<string, Group> {
  const bucketOf = bucketsFor(elements)
  return new Map(
    elements.map((element) => {
      const group = groupOf(element, bucketOf(element))
      return [group.key, group]
    }),
  )
}

/** Why these are not let in. */
export function tooMany(groups: Iterable<Group>, times = 1): string | undefined {
  let share = 0
  for (const { interface: device, peer, peerInterface } of groups)
    share += 1 / ((device ?? peer ?? peerInterface) ? mostSetApart : mostLookedUp)
  if (share <= times) return undefined
  return `iptables needs rules for each kind of order, and more than ${mostLookedUp} kinds (rates, ports of a reject or an allow), or ${mostSetApart} that differ by interface or peer, are too many`
}

function groupOf(element: Unplaced, limit: Bucket | undefined): Group {
  const { verdict, way, address, interface: device, peer, peerInterface, protocol, ports } = element
  const inSet = standsInSet(element)
  const group = {
    ...{ verdict, way, protocol, interface: device, peer: peer?.text, peerInterface },
    family: address.family,
    span: inSet ? undefined : ports,
    side: inSet ? ports?.side : undefined,
    limit,
  }
  return { ...group, key: JSON.stringify(group) }
}

/** Elements of one name are counted together; of several names on one target each has its slot. */
function bucketsFor(elements: readonly Unplaced[]): (element: Unplaced) => Bucket | undefined {
  const slots = new Map<string, string[]>()
  const mixed = countedBothWays(elements)
  return ({ limit, address, way }) => {
    if (!limit) return undefined
    const { name, rate } = limit
    if (mixed.has(name)) return { rate, name }
    const key = JSON.stringify([sidesOf[way], address.text, rate])
    const names = slots.get(key) ?? []
    slots.set(key, names)
    if (!names.includes(name)) names.push(name)
    return { rate, prefix: address.prefix, slot: names.indexOf(name) }
  }
}

/** The names of limits whose packets have the target on either side. */
function countedBothWays(elements: readonly Unplaced[]): ReadonlySet<string> {
  const sides = new Map<string, Set<string>>()
  for (const { limit, way } of elements)
    if (limit) {
      const found = sides.get(limit.name) ?? new Set()
      for (const side of sidesOf[way]) found.add(side)
      sides.set(limit.name, found)
    }
  return new Set([...sides].flatMap(([name, found]) => (found.size > 1 ? [name] : [])))
}

const sidesOf: Record<ScopedWay, readonly ('src' | 'dst')[]> = {
  in: ['src'],
  out: ['dst'],
  forward: ['src', 'dst'],
  forward_from: ['src'],
  forward_to: ['dst'],
}

/**
 * What the table filter looks up is translated by then, and no set tells which port was addressed: rules ask the
 * connection (see iptables-looks.ts).
 */
export function asksConnection({ verdict, way }: Pick<Unplaced, 'verdict' | 'way'>): boolean {
  return way === 'in' && (verdict === 'reject' || verdict === 'allow')
}

function standsInSet(element: Unplaced): boolean {
  const { protocol, ports } = element
  if (!ports || protocol === undefined || asksConnection(element)) return false
  return portsInSets.has(protocol) && ports.high - ports.low < mostPortsInSet
}

/** Port by port, as the kernel holds them: ranges that overlap can end at different times. */
function* membersOf(element: ScopedElement): Generator<string> {
  const { address, protocol, ports } = element
  if (!ports || !standsInSet(element)) yield address.text
  else
    for (let port = ports.low; port <= ports.high; port++)
      yield `${address.text},${protocol}:${port}`
}
