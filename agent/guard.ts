/** What a node never blocks, whoever signed: a stolen signing key must not be able to cut it off. Pure. */
import type { BlockAction } from '#contract/action.ts'
import { type Address, addressScope, contains, overlaps, readAddress } from '#contract/address.ts'
import { printable } from '#contract/printable.ts'
import { Problem } from '#contract/problem.ts'
import type { AgentSettings } from './settings.ts'
import type { Surroundings } from './surroundings.ts'

/** An address that passes whatever the sets say, and why. */
export type Protected = { address: Address; why: string }

const always: readonly Protected[] = [
  { address: readAddress('127.0.0.0/8'), why: 'loopback' },
  { address: readAddress('::1'), why: 'loopback' },
  { address: readAddress('fe80::/10'), why: 'link-local, which neighbours are found with' },
]

/** Everything that is protected here now: the firewall's never-set and what targets are held against. */
export function protectedHere(
  surroundings: Surroundings,
  settings: Pick<AgentSettings, 'admin_networks'>,
): Protected[] {
  const named = settings.admin_networks.map((text) => ({
    address: readAddress(text),
    why: 'administration network of this node',
  }))
  return withoutRepeats([...always, ...named, ...surroundings])
}

/** What is in force beside the block: decisions, and what its interval set may come to hold with it (0 for other sets). */
export type InForce = { claims: number; rare: number }

/** An interval set costs time proportional to its size at each change; and what has just ended needs room as well. */
export const mostRare = 10_000

export type Ceilings = Pick<AgentSettings, 'max_blocks' | 'ipv4_prefix' | 'ipv6_prefix'>

/** Why this node will not do that, or undefined when it will. */
export function refusal(
  action: BlockAction,
  target: Address,
  here: readonly Protected[],
  ceilings: Ceilings,
  inForce: InForce,
): Problem | undefined {
  return (
    inexpressible(action) ??
    tooWide(target, ceilings) ??
    untouchable(target, here) ??
    tooMany(inForce, ceilings)
  )
}

/** The sets match addresses only: a block that was meant for one port must not become one for all. */
function inexpressible(action: BlockAction): Problem | undefined {
  const scope = (['interface', 'protocol', 'ports'] as const).filter(
    (key) => action[key] !== undefined,
  )
  if (scope.length === 0) return undefined
  return new Problem('unsupported', `this node cannot limit a block to ${scope.join(', ')}`, {
    remedy: 'block the address as a whole, or use a firewall that can',
  })
}

function tooWide(target: Address, ceilings: Ceilings): Problem | undefined {
  const ceiling = target.family === 4 ? ceilings.ipv4_prefix : ceilings.ipv6_prefix
  if (target.prefix >= ceiling) return undefined
  return new Problem('too_wide', `${target.text} is wider than /${ceiling}`, {
    remedy: `block a narrower network, or change ipv${target.family}_prefix on this node`,
  })
}

function untouchable(target: Address, here: readonly Protected[]): Problem | undefined {
  const hit = here.find(({ address }) => overlaps(address, target))
  if (hit)
    return isProtected(`${target.text} touches ${hit.address.text}: ${printable(hit.why, 120)}`)
  if (addressScope(target) === 'special')
    return isProtected(`${target.text} is a special-purpose address`)
  return undefined
}

function isProtected(message: string): Problem {
  return new Problem('protected_target', message, {
    remedy: '"cordon agent check" lists what this node protects and why',
  })
}

/** There is no room for one more block. */
export function tooMany({ claims, rare }: InForce, ceilings: Ceilings): Problem | undefined {
  if (rare > mostRare)
    return new Problem(
      'ceiling_reached',
      `networks of rare lengths would need more than ${mostRare} intervals on this node`,
      { remedy: 'block networks of the lengths /24, /16, /64 or /48, or single hosts' },
    )
  if (claims < ceilings.max_blocks) return undefined
  return new Problem('ceiling_reached', `${claims} decisions are in force on this node`, {
    remedy: 'lift some, or raise max_blocks on this node',
  })
}

function withoutRepeats(all: readonly Protected[]): Protected[] {
  const kept: Protected[] = []
  for (const entry of all)
    if (!kept.some(({ address }) => contains(address, entry.address))) kept.push(entry)
  return kept
}
