/** What a node never blocks, whoever signed: a stolen signing key must not be able to cut it off. Pure. */
import { isForwarding, type Scope, type StandingAction } from '#contract/action.ts'
import { type Address, isHost, overlaps, readAddress, specialNetworks } from '#contract/address.ts'
import { printable } from '#contract/printable.ts'
import { Problem } from '#contract/problem.ts'
import { Covering } from './covering.ts'
import { type Expresses, layers } from './kernel/firewall.ts'
import { mostIntervals } from './kernel/sets.ts'
import { elementsOf, scopedOf } from './scope.ts'
import type { ScopedRoom } from './scopes.ts'
import type { AgentSettings } from './settings.ts'
import type { Surroundings } from './surroundings.ts'
import type { Claim } from './wished.ts'

/** An address that passes whatever the sets say, and why. */
export type Protected = {
  address: Address
  why: string
  /** Of the node itself: at neither end of what passes through it for others. */
  own?: true
}

const always: readonly Protected[] = [
  { address: readAddress('127.0.0.0/8'), why: 'loopback' },
  { address: readAddress('::1'), why: 'loopback' },
  { address: readAddress('fe80::/10'), why: 'link-local, which neighbours are found with' },
]

const special: readonly Protected[] = specialNetworks().map((address) => ({
  address,
  why: 'special-purpose',
}))

/**
 * Everything that is protected here now: the firewall's never-set and what targets are held against. Throws
 * `setting_invalid` when it is more than that set holds: the kernel would refuse it, and with it every block.
 */
export function protectedHere(
  surroundings: Surroundings,
  settings: Pick<AgentSettings, 'admin_networks'>,
): Protected[] {
  const named = settings.admin_networks.map((text) => ({
    address: readAddress(text),
    why: 'administration network of this node',
  }))
  const here = withoutRepeats([...always, ...named, ...surroundings])
  for (const family of [4, 6] as const) {
    const count = here.filter(({ address }) => address.family === family).length
    if (count > mostIntervals) throw tooManyProtected(count, family)
  }
  return here
}

/**
 * What is in force beside the order: decisions, what its interval set may come to hold with it (0 for other sets), and
 * what there would be of orders that are more than a plain block.
 */
export type InForce = { claims: number; rare: number; scoped?: ScopedRoom | undefined }

/** An interval set costs time proportional to its size at each change; and what has just ended needs room as well. */
const mostRare = 10_000
/** Orders that are more than a plain block, and elements that they come to: the kernel takes longer for each. */
const mostScoped = { claims: 10_000, elements: 30_000 }

export type Ceilings = Pick<AgentSettings, 'max_blocks' | 'ipv4_prefix' | 'ipv6_prefix'>

/**
 * Why this node will not do that, or undefined when it will. An order about one port or interface of what is protected
 * is refused as one about all of it: that port may be the one it is administered by. To allow it changes nothing. A peer
 * is not asked about: it makes an order narrower, and the one without it is about a target that this node may block.
 */
export function refusal(
  action: StandingAction,
  target: Address,
  here: readonly Protected[],
  ceilings: Ceilings,
  inForce: InForce,
  expresses: Expresses,
): Problem | undefined {
  return (
    inexpressible(action, target, expresses) ??
    tooWide(target, ceilings) ??
    (action.action === 'allow' ? undefined : untouchable(action, target, here)) ??
    tooMany(inForce, ceilings)
  )
}

/** An order that is carried out in part, or on more than was meant, is worse than one that is refused. */
function inexpressible(
  action: StandingAction,
  target: Address,
  expresses: Expresses,
): Problem | undefined {
  const scoped = scopedOf(action)
  if (!scoped) return undefined
  const problem = incapable({ ...action, scoped }, target, expresses)
  if (problem) return problem
  const { protocol } = action
  const device = [action.interface, action.peer_interface].find(
    (name) => name !== undefined && !isDevice(name),
  )
  if (device !== undefined)
    return unsupported(
      `no interface is called ${printable(device, 40)}`,
      'name an interface of at most 15 ASCII characters',
    )
  const other = target.family === 4 ? 'icmpv6' : 'icmp'
  if (protocol === other)
    return unsupported(
      `${other} does not go over IPv${target.family}`,
      `name ${other === 'icmp' ? 'icmpv6' : 'icmp'}`,
    )
  if (action.action === 'limit' && byEither(action))
    return unsupported(
      'what passes by one interface twice would be counted twice',
      'name the interface of the peer too, or limit forward_from, forward_to, in or out with it',
    )
  return undefined
}

/** Whether its interface may be the one by which it comes as well as the one by which it leaves. */
function byEither(scope: Scope): boolean {
  const { direction, interface: device, peer_interface: other } = scope
  return direction === 'forward' && device !== undefined && other === undefined
}

/** What the firewall of this node cannot do. */
export function incapable(
  order: Pick<Claim, 'target' | 'direction' | 'scoped'>,
  target: Address,
  { scopes, reject, refuses }: Expresses,
): Problem | undefined {
  const { scoped } = order
  if (!scoped) return undefined
  if (!scopes)
    return unsupported(
      'its firewall has no sets of more than addresses',
      'block the address as a whole, or use a newer kernel',
    )
  if (scoped.response === 'reject' && !reject)
    return unsupported('its firewall cannot reject', 'drop instead')
  const why = refuses?.(elementsOf(order, scoped, target))
  return why === undefined ? undefined : unsupported(why, 'block the address as a whole')
}

function unsupported(why: string, remedy: string): Problem {
  return new Problem('unsupported', `this node cannot do what is asked: ${why}`, { remedy })
}

/** The kernel's names have 15 bytes; a trailing * stands for what follows. */
function isDevice(name: string): boolean {
  return /^[\x21-\x7e]{1,15}$/.test(name)
}

function tooWide(target: Address, ceilings: Ceilings): Problem | undefined {
  const ceiling = target.family === 4 ? ceilings.ipv4_prefix : ceilings.ipv6_prefix
  if (target.prefix >= ceiling) return undefined
  return new Problem(
    'too_wide',
    `${target.text} is wider than /${ceiling}, the widest that this node takes`,
    {
      remedy: `block a narrower network, or change ipv${target.family}_prefix on this node`,
    },
  )
}

function untouchable(
  { direction }: Scope,
  target: Address,
  here: readonly Protected[],
): Problem | undefined {
  const hit = firstHit(target, here, isForwarding(direction))
  if (hit)
    return isProtected(`${target.text} touches ${hit.address.text}: ${printable(hit.why, 120)}`)
  if (touched(target, special).length > 0)
    return isProtected(`${target.text} is a special-purpose address`)
  return undefined
}

function isProtected(message: string): Problem {
  return new Problem('protected_target', message, {
    remedy: '"cordon agent check" lists what this node protects and why',
  })
}

/** There is no room for one more block. */
export function tooMany(
  { claims, rare, scoped }: InForce,
  ceilings: Ceilings,
): Problem | undefined {
  const problem = scoped && tooManyScoped(scoped)
  if (problem) return problem
  if (rare > mostRare)
    return new Problem(
      'ceiling_reached',
      `networks of rare lengths would need more than ${mostRare} intervals on this node`,
      { remedy: 'block networks of the lengths /24, /16, /64 or /48, or single hosts' },
    )
  if (claims < ceilings.max_blocks) return undefined
  return new Problem(
    'ceiling_reached',
    `${claims} decisions are in force on this node, and max_blocks allows no more`,
    {
      remedy: 'lift some, or raise max_blocks on this node',
    },
  )
}

function tooManyScoped({ claims, elements, layered }: ScopedRoom): Problem | undefined {
  const ceiling = (message: string, remedy: string) =>
    new Problem('ceiling_reached', message, { remedy })
  if (claims > mostScoped.claims || elements > mostScoped.elements)
    return ceiling(
      `more than ${mostScoped.claims} orders with a scope, or ${mostScoped.elements} ranges of them, would be in force`,
      'lift some, or block addresses as a whole, of which there may be many more',
    )
  if (layered) return undefined
  return ceiling(
    `more than ${layers} orders with a scope would overlap one another`,
    'lift some of them, or order one for the network as a whole',
  )
}

function tooManyProtected(count: number, family: 4 | 6): Problem {
  return new Problem(
    'setting_invalid',
    `${count} IPv${family} hosts and networks are named never to be blocked, but the kernel's set holds ${mostIntervals}`,
    { remedy: 'name networks instead of single hosts in protect_file and admin_networks' },
  )
}

/** The most important one that overlaps; for what passes through the node, of those that are not the node's own. */
function firstHit(
  target: Address,
  here: readonly Protected[],
  passes: boolean,
): Protected | undefined {
  for (const hit of touched(target, here)) if (!(passes && hit.own)) return hit
  return undefined
}

const indexes = new WeakMap<readonly Protected[], Covering<Ranked>>()
type Ranked = Protected & { rank: number }

/** All that overlap, the most important first. A host is looked up: it is asked about for each of a million blocks. */
function touched(target: Address, all: readonly Protected[]): readonly Protected[] {
  if (!isHost(target)) return all.filter(({ address }) => overlaps(address, target))
  const found = (indexes.get(all) ?? indexOf(all)).around(target)
  return found.length < 2 ? found : found.sort((a, b) => a.rank - b.rank)
}

function indexOf(all: readonly Protected[]): Covering<Ranked> {
  const index = new Covering<Ranked>()
  all.forEach((entry, rank) => {
    index.add({ ...entry, rank })
  })
  indexes.set(all, index)
  return index
}

function withoutRepeats(all: readonly Protected[]): Protected[] {
  const kept: Protected[] = []
  const index = new Covering<Protected>()
  for (const entry of all) {
    if (index.around(entry.address).length > 0) continue
    index.add(entry)
    kept.push(entry)
  }
  return kept
}
