/** Blocks at once for a short time: what becomes of them now, and when their attacker has been asked about. Pure. */
import { type Address, maybeAddress } from '#contract/address.ts'
import { readTime } from '#contract/time.ts'
import { type Case, certainOf, openConsult } from './case.ts'
import { NotAsked } from './consult.ts'
import { type Evidence, hidden, makeEvidence } from './evidence.ts'
import { veto } from './limits.ts'
import { matches } from './match.ts'
import { protectionOf } from './order.ts'
import type { Provisional, Rule } from './policy.ts'
import type { Reason, Verdict } from './verdict.ts'

/** The block of a provisional rule: short when somebody has to be asked first, else as it is known already. */
export function provisionally(
  verdict: Verdict,
  rule: Rule,
  { alert, policy }: Case,
  evidence: Evidence,
): Verdict {
  const provisional = rule.terms?.provisional
  if (provisional === undefined || verdict.outcome !== 'block' || !verdict.order) return verdict
  const { order } = verdict
  const signature = certainOf(alert, policy)
  if (signature !== undefined)
    return { ...verdict, reasons: withCertain(verdict.reasons, signature) }
  const answer = matches(provisional.confirm, evidence, rule.name)
  const heard = evidence[hidden].consult.reasons()
  const reasons = [...verdict.reasons, ...heard.filter((one) => !verdict.reasons.includes(one))]
  if (answer instanceof NotAsked) {
    const [lengthMs, fullMs] = [Math.min(provisional.forMs, order.lengthMs), order.lengthMs]
    return {
      ...verdict,
      order: { ...order, lengthMs },
      provisional: { lengthMs: fullMs },
      reasons: [...reasons, { code: 'provisional', rule: rule.name, lengthMs, fullMs }],
    }
  }
  const { outcome, reasons: found } = settle(answer, provisional, rule, order.lengthMs)
  const become = { confirm: 'block', lift: 'watch', review: 'review' } as const
  return { ...verdict, outcome: become[outcome], reasons: [...reasons, ...found] }
}

function withCertain(reasons: Reason[], signature: string): Reason[] {
  if (reasons.some(({ code }) => code === 'certain')) return reasons
  return [...reasons, { code: 'certain', signature }]
}

export type Confirmation = { outcome: 'confirm' | 'lift' | 'review'; reasons: Reason[] }

/** A block for a short time that stands. */
export type ShortBlock = {
  rule: string
  target: string
  /** What it grows to. */
  lengthMs: number
}

/**
 * What becomes of a provisional block now that everybody was asked. Who did not answer counts as the policy says. What
 * forbids a block by now, lifts it, and so does a rule that is gone.
 */
export function confirm(matter: Case, block: ShortBlock): Confirmation {
  const { alert, facts, policy } = matter
  const rule = policy.rules.find(({ name }) => name === block.rule)
  const provisional = rule?.terms?.provisional
  const attacker = maybeAddress(alert.attacker ?? '')
  if (!rule || !provisional || !attacker)
    return { outcome: 'lift', reasons: [{ code: 'not_confirmed', rule: block.rule }] }
  const objection = objectTo(maybeAddress(block.target) ?? attacker, rule, matter)
  if (objection) return { outcome: 'lift', reasons: [objection] }
  const vetoes = veto(facts)
  if (vetoes.length > 0) return { outcome: provisional.otherwise, reasons: vetoes }
  const consult = openConsult(matter)
  const observed = readTime(alert.observed) ?? 0
  const evidence = makeEvidence(alert, attacker, observed, facts, consult)
  const answer = matches(provisional.confirm, evidence, rule.name)
  const { outcome, reasons } = settle(answer, provisional, rule, block.lengthMs)
  return { outcome, reasons: [...consult.reasons(), ...reasons] }
}

/** What people have said since, in the policy or by hand. */
function objectTo(target: Address, rule: Rule, matter: Case): Reason | undefined {
  const { ignored } = matter.facts
  const protection = protectionOf(target, matter)
  if (protection) {
    const by = protection.address.text
    return { code: 'protected', address: target.text, by, why: protection.why }
  }
  if (ignored)
    return { code: 'ignored', by: ignored.actor, why: ignored.reason, until: ignored.until }
  if (rule.observe) return { code: 'observed', scope: 'rule', rule: rule.name }
  if (matter.policy.mode === 'observe')
    return { code: 'observed', scope: 'policy', rule: rule.name }
  return undefined
}

function settle(
  answer: ReturnType<typeof matches>,
  { otherwise }: Provisional,
  { name }: Rule,
  lengthMs: number,
): Confirmation {
  if (answer === true)
    return { outcome: 'confirm', reasons: [{ code: 'confirmed', rule: name, lengthMs }] }
  if (answer === false || answer instanceof NotAsked)
    return { outcome: otherwise, reasons: [{ code: 'not_confirmed', rule: name }] }
  return { outcome: 'review', reasons: [answer] }
}
