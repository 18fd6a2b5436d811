/** What turns a block that a rule wants into a question for a person. */
import type { Address } from '#contract/address.ts'
import type { Facts } from './facts.ts'
import type { Policy } from './policy.ts'
import type { Reason } from './verdict.ts'

/** The ceilings that this block would break. */
export function limitsOn(
  target: Address,
  { policy, facts }: { policy: Policy; facts: Facts },
): Reason[] {
  const { ceilings } = policy
  const widest = target.family === 4 ? ceilings.ipv4_prefix : ceilings.ipv6_prefix
  const reasons: Reason[] = []
  if (target.prefix < widest)
    reasons.push({ code: 'too_wide', target: target.text, ceiling: widest })
  for (const [ceiling, value] of [
    ['blocks_per_minute', facts.blocksLastMinute],
    ['blocks_in_force', facts.blocksInForce],
  ] as const)
    if (value >= ceilings[ceiling])
      reasons.push({ code: 'ceiling', ceiling, limit: ceilings[ceiling], value })
  return reasons
}

/** A provider that knows the attacker as a common service is believed against every rule. */
export function veto({ outside }: Facts): Reason[] {
  return Object.entries(outside.intelligence).flatMap(([provider, fact]): Reason[] =>
    fact.state === 'answered' && fact.trusted
      ? [{ code: 'vetoed', provider, summary: fact.summary }]
      : [],
  )
}
