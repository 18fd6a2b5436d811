/** What a verdict becomes: a new decision, or more evidence for one that stands. Pure. */
import type { Alert } from '#contract/alert.ts'
import { isSameMeasure, plainBlock, unnarrowed } from '../decide/measure.ts'
import type { Reason, Verdict } from '../decide/verdict.ts'
import { type Decision, type DecisionState, decisionIdFrom } from '../store/decisions.ts'

export type Settlement =
  | { kind: 'new'; decision: Decision }
  /** `notAfter` when the block in force is to be prolonged; `vetoes` that a question has not heard of. */
  | { kind: 'evidence'; decision: Decision; notAfter?: number; vetoes?: readonly Reason[] }

/**
 * `standing` are the decisions on the same target that wait or are in force. While a block is in force another alert
 * makes no second block: it is evidence, and prolongs the block when that gains at least a tenth of its length (so
 * that a stream of alerts does not become a stream of envelopes). A provisional block prolongs nothing: only an answer
 * does. What is sure prolongs a provisional one by however little, for then it no longer hangs on the answer. At a
 * ceiling of how many blocks there may be nothing is prolonged, and no question is made of what is blocked already.
 */
export function settle(
  alert: Alert,
  verdict: Verdict,
  offender: string | null,
  standing: readonly Decision[],
  now: number,
): Settlement {
  const blocked = verdict.capped && standing.find((decision) => isBlocked(decision, verdict))
  if (blocked) return { kind: 'evidence', decision: blocked }
  const same =
    standing.find((decision) => answers(decision, verdict)) ??
    standing.find((decision) => isHalted(decision, verdict))
  if (!same) return { kind: 'new', decision: newDecision(alert, verdict, offender, now) }
  const vetoes = unheard(same, verdict.reasons)
  if (vetoes.length > 0) return { kind: 'evidence', decision: same, vetoes }
  const lengthMs = verdict.order?.lengthMs ?? 0
  const notAfter = now + lengthMs
  const gain = notAfter - (same.notAfter ?? notAfter)
  if (same.state === 'waiting') return { kind: 'evidence', decision: same }
  const sure = verdict.outcome === 'block' && verdict.provisional === undefined
  return sure && gain >= (isProvisional(same.reasons) ? 1 : lengthMs / 10)
    ? { kind: 'evidence', decision: same, notAfter }
    : { kind: 'evidence', decision: same }
}

/** Vetoes that are new to a question: without them the clock might block whom a provider vouches for. */
export function unheard(question: Decision, reasons: readonly Reason[]): Reason[] {
  if (question.state !== 'waiting') return []
  const heard = vetoesIn(question.reasons).map(({ provider }) => provider)
  return vetoesIn(reasons).filter(({ provider }) => !heard.includes(provider))
}

function vetoesIn(reasons: readonly Reason[]) {
  return reasons.filter((reason) => reason.code === 'vetoed')
}

/** Blocked for a short time, and not confirmed so far. */
export function isProvisional(reasons: readonly Reason[]): boolean {
  const codes = reasons.map(({ code }) => code)
  return codes.includes('provisional') && !codes.includes('confirmed')
}

/** Whether the decision is the block that would be made but for a ceiling. */
function isBlocked(decision: Decision, { order }: Verdict): boolean {
  return order !== undefined && answers(decision, { outcome: 'block', order })
}

/** A block that was tried on a few nodes and taken back there is a question now, and is not tried again meanwhile. */
function isHalted(decision: Decision, { order }: Verdict): boolean {
  return (
    order !== undefined &&
    decision.reasons.some(({ code }) => code === 'rollout_halted') &&
    answers(decision, { outcome: 'review', order })
  )
}

/** Whether the decision is already what this verdict would become. */
export function answers(decision: Decision, verdict: Pick<Verdict, 'outcome' | 'order'>): boolean {
  if (!verdict.order || decision.origin !== 'policy') return false
  const wanted: DecisionState[] = verdict.outcome === 'block' ? ['issued', 'applied'] : ['waiting']
  if (verdict.outcome !== 'block' && verdict.outcome !== 'review') return false
  return (
    wanted.includes(decision.state) &&
    decision.target === verdict.order.target &&
    decision.direction === verdict.order.direction &&
    isSameMeasure(decision, verdict.order) &&
    (decision.rollout?.audience ?? decision.audience).join() === verdict.order.audience.join()
  )
}

function newDecision(
  alert: Alert,
  verdict: Verdict,
  offender: string | null,
  now: number,
): Decision {
  const { order } = verdict
  const block = verdict.outcome === 'block' && order !== undefined
  return {
    id: decisionIdFrom(`alert:${alert.id}`),
    state: block ? 'issued' : verdict.outcome === 'review' ? 'waiting' : 'noted',
    outcome: verdict.outcome,
    origin: 'policy',
    rule: verdict.rule,
    target: order?.target ?? alert.attacker ?? null,
    offender,
    direction: order?.direction ?? null,
    audience: order?.audience ?? [],
    lengthMs: order?.lengthMs ?? null,
    created: now,
    issued: block ? now : null,
    notAfter: block ? now + order.lengthMs : null,
    ended: null,
    endReason: null,
    actor: null,
    note: null,
    reasons: verdict.reasons,
    would: verdict.would ?? null,
    alerts: 1,
    measure: order?.measure ?? plainBlock,
    scope: order?.scope ?? unnarrowed,
    rollout: null,
  }
}
