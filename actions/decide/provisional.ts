/** Blocks at once for a short time: what becomes of them now, and when their attacker has been asked about. Pure. */
import { maybeAddress } from '#contract/address.ts'
import { readTime } from '#contract/time.ts'
import { type Case, openConsult, signatureOf } from './case.ts'
import { NotAsked, SilentSource } from './consult.ts'
import { type Evidence, makeEvidence } from './evidence.ts'
import { veto } from './limits.ts'
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
  const { reasons, order } = verdict
  const signature = signatureOf(alert)
  if (policy.certain.has(signature))
    return { ...verdict, reasons: [...reasons, { code: 'certain', signature }] }
  const answer = holds(provisional, evidence)
  if (answer === 'not_asked') {
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

export type Confirmation = { outcome: 'confirm' | 'lift' | 'review'; reasons: Reason[] }

/**
 * What becomes of a provisional block of this rule now that everybody was asked; `lengthMs` is what it grows to.
 * Who did not answer counts as the policy says. A rule that is gone confirms nothing.
 */
export function confirm(matter: Case, ruleName: string, lengthMs: number): Confirmation {
  const { alert, facts, policy } = matter
  const rule = policy.rules.find(({ name }) => name === ruleName)
  const provisional = rule?.terms?.provisional
  const attacker = maybeAddress(alert.attacker ?? '')
  if (!rule || !provisional || !attacker)
    return { outcome: 'lift', reasons: [{ code: 'not_confirmed', rule: ruleName }] }
  const protection = protectionOf(attacker, matter)
  if (protection) {
    const by = protection.address.text
    const reason: Reason = { code: 'protected', address: attacker.text, by, why: protection.why }
    return { outcome: 'lift', reasons: [reason] }
  }
  const vetoes = veto(facts)
  if (vetoes.length > 0) return { outcome: provisional.otherwise, reasons: vetoes }
  const consult = openConsult(matter)
  const observed = readTime(alert.observed) ?? 0
  const answer = holds(provisional, makeEvidence(alert, attacker, observed, facts, consult))
  const { outcome, reasons } = settle(answer, provisional, rule, lengthMs)
  return { outcome, reasons: [...consult.reasons(), ...reasons] }
}

type Answer = boolean | 'not_asked' | Reason

function holds({ confirm }: Provisional, evidence: Evidence): Answer {
  try {
    return confirm.matches(evidence)
  } catch (error) {
    if (error instanceof NotAsked) return 'not_asked'
    if (error instanceof SilentSource)
      return { code: 'source_silent', source: error.source, fail: 'review', problem: error.message }
    const problem = error instanceof Error ? error.message : String(error)
    return { code: 'condition_failed', rule: 'confirm', problem }
  }
}

function settle(
  answer: Answer,
  { otherwise }: Provisional,
  { name }: Rule,
  lengthMs: number,
): Confirmation {
  if (answer === true)
    return { outcome: 'confirm', reasons: [{ code: 'confirmed', rule: name, lengthMs }] }
  if (answer === false || answer === 'not_asked')
    return { outcome: otherwise, reasons: [{ code: 'not_confirmed', rule: name }] }
  return { outcome: 'review', reasons: [answer] }
}
