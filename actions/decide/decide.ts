/** The judgement: one alert, what is known of its attacker, the policy and the time give one verdict. */
import { type Address, addressScope, maybeAddress, widen } from '#contract/address.ts'
import type { Alert } from '#contract/alert.ts'
import { readTime } from '#contract/time.ts'
import { type Evidence, makeEvidence } from './evidence.ts'
import type { Facts } from './facts.ts'
import { blockLength, protectionOf } from './order.ts'
import type { Policy, Rule, Terms } from './policy.ts'
import type { Reason, Verdict } from './verdict.ts'

export type Case = { alert: Alert; facts: Facts; policy: Policy; now: number }

/** Pure: the service, the simulator and the policy's own tests call this same function. */
export function decide(matter: Case): Verdict {
  const { alert, facts, policy } = matter
  const reasons: Reason[] = alert.blocked ? [{ code: 'already_dropped_by_sensor' }] : []
  const attacker = alert.attacker === undefined ? undefined : maybeAddress(alert.attacker)
  if (attacker === undefined) return watch([...reasons, { code: 'no_attacker' }])
  // A time that is none reads as 1970, which is too old for any block.
  const observed = readTime(alert.observed) ?? 0
  const objection = objectTo(attacker, observed, matter)
  if (objection) return watch([...reasons, objection])
  const evidence = makeEvidence(alert, attacker, observed, facts)
  for (const rule of policy.rules) {
    const matched = match(rule, evidence)
    if (matched) return judge(rule, attacker, matter, [...reasons, matched])
  }
  return watch([...reasons, { code: 'no_rule_matched' }])
}

/** What forbids a block before any rule is asked. */
function objectTo(attacker: Address, observed: number, matter: Case): Reason | undefined {
  const { policy, now } = matter
  const address = attacker.text
  const scope = addressScope(attacker)
  if (scope === 'special') return { code: 'not_blockable', address, scope }
  const protection = protectionOf(attacker, matter)
  if (protection)
    return { code: 'protected', address, by: protection.address.text, why: protection.why }
  const ageMs = now - observed
  if (ageMs > policy.maxAlertAgeMs) return { code: 'too_old', ageMs, limitMs: policy.maxAlertAgeMs }
  if (-ageMs > policy.maxClockAheadMs)
    return { code: 'from_the_future', aheadMs: -ageMs, limitMs: policy.maxClockAheadMs }
  return undefined
}

/** A condition that fails decides too: going on could block what this rule was there to spare. */
function match(rule: Rule, evidence: Evidence): Reason | undefined {
  try {
    if (!rule.condition.matches(evidence)) return undefined
    return { code: 'rule_matched', rule: rule.name, because: rule.because }
  } catch (error) {
    const problem = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error)
    return { code: 'condition_failed', rule: rule.name, problem }
  }
}

function judge(rule: Rule, attacker: Address, matter: Case, found: Reason[]): Verdict {
  const failed = found.at(-1)?.code === 'condition_failed'
  if (rule.terms === undefined) {
    const outcome = failed ? 'watch' : rule.verdict
    return observe(rule, matter.policy, { outcome, rule: rule.name, reasons: found })
  }
  const { target, aim } = aimAt(attacker, rule.terms, matter)
  const { lengthMs, escalated } = lengthOf(rule.terms, matter.facts)
  const limits = limitsOn(target, matter)
  return observe(rule, matter.policy, {
    outcome: failed || limits.length > 0 ? 'review' : rule.verdict,
    rule: rule.name,
    order: {
      target: target.text,
      audience: [...rule.terms.audience],
      direction: rule.terms.direction,
      lengthMs,
    },
    reasons: [...found, ...aim, ...escalated, ...limits],
  })
}

/** The attacker or the network around it, unless something protected lives in that network. */
function aimAt(attacker: Address, terms: Terms, matter: Case): { target: Address; aim: Reason[] } {
  const around = widen(attacker, terms.prefix[attacker.family])
  if (around === attacker) return { target: attacker, aim: [] }
  const [address, network] = [attacker.text, around.text]
  const protection = protectionOf(around, matter)
  const by = protection?.address.text ?? (isBlockable(around) ? undefined : 'a reserved range')
  if (by === undefined) return { target: around, aim: [{ code: 'widened', address, network }] }
  return { target: attacker, aim: [{ code: 'kept_narrow', address, network, by }] }
}

function isBlockable(address: Address): boolean {
  return addressScope(address) !== 'special'
}

function lengthOf(terms: Terms, facts: Facts): { lengthMs: number; escalated: Reason[] } {
  const { offences } = facts
  const lengthMs = blockLength(terms.lengthMs, terms.escalate, offences)
  if (terms.escalate === undefined || lengthMs === terms.lengthMs)
    return { lengthMs, escalated: [] }
  const { ceilingMs } = terms.escalate
  return { lengthMs, escalated: [{ code: 'escalated', offences, lengthMs, ceilingMs }] }
}

/** What turns a block into a question for a person. */
function limitsOn(target: Address, { policy, facts }: Case): Reason[] {
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

/** Observing keeps the whole verdict and does nothing: `would` and the order say what it had been. */
function observe(rule: Rule, policy: Policy, verdict: Verdict): Verdict {
  const scope = rule.observe ? 'rule' : policy.mode === 'observe' ? 'policy' : undefined
  if (scope === undefined || verdict.outcome === 'watch') return verdict
  const reasons: Reason[] = [...verdict.reasons, { code: 'observed', scope, rule: rule.name }]
  return { ...verdict, outcome: 'watch', would: verdict.outcome, reasons }
}

function watch(reasons: Reason[]): Verdict {
  return { outcome: 'watch', rule: null, reasons }
}
