/** The queue as a person reads it: every question with what is needed to answer it, oldest first. */
import { contains, maybeAddress, readAddress } from '#contract/address.ts'
import type { Alert } from '#contract/alert.ts'
import { printDuration } from '#contract/duration.ts'
import { explainVerdict } from '../decide/explain.ts'
import type { Policy } from '../decide/policy.ts'
import { alertsOf } from '../store/alerts.ts'
import { type Approval, approvalsOf } from '../store/approvals.ts'
import { type Decision, decisionsById } from '../store/decisions.ts'
import { causeOf, knownOf, listQuestions, type Question } from '../store/review.ts'
import type { Reader } from '../store/store.ts'
import { decisionsOn } from './decisions-on.ts'
import { knownSentences } from './review-known.ts'
import { needsTwo } from './review-second.ts'

export type Filter = {
  rule?: string | undefined
  /** The question's target is this network, or lies in it. */
  target?: string | undefined
  olderThanMs?: number | undefined
}

export type Waiting = {
  decision: Decision
  /** What would be done, in a sentence. */
  question: string
  until: number
  atTimeout: 'decline' | 'block'
  /** What happens when nobody answers, in a sentence. */
  otherwise: string
  needsTwo: boolean
  /** What the first of two people has said. */
  first: Approval | undefined
  /** The first of its alerts, without the vendors' records. */
  evidence: Alert[]
  /** What was known from outside, as it was kept with the newest alert; null when there was no source. */
  facts: unknown
  /** The same in sentences. */
  known: string[]
  /** What holds on the target already: on it, within it, around it. */
  standing: Decision[]
}

/** Oldest first. Throws `address_invalid`. */
export async function findQuestions(db: Reader, filter: Filter, now: number): Promise<Question[]> {
  const network = filter.target === undefined ? undefined : readAddress(filter.target)
  const until = filter.olderThanMs === undefined ? undefined : now - filter.olderThanMs
  const questions = await listQuestions(db, until === undefined ? {} : { until })
  return questions.filter(({ rule, target }) => {
    if (filter.rule !== undefined && rule !== filter.rule) return false
    const address = network && maybeAddress(target)
    return network === undefined || (address !== undefined && contains(network, address))
  })
}

export async function readWaiting(
  db: Reader,
  ids: readonly string[],
  policy: Policy,
  { now, evidence }: { now: number; evidence: number },
): Promise<Waiting[]> {
  const decisions = await decisionsById(db, ids)
  const approvals = await approvalsOf(db, ids)
  const waiting: Waiting[] = []
  for (const id of ids) {
    const decision = decisions.get(id)
    if (decision?.state !== 'waiting') continue
    const { alerts, cause } = await evidenceOf(db, decision, evidence)
    const two = decision.target !== null && needsTwo(decision.target, policy)
    const target = maybeAddress(decision.target ?? '')
    const facts = await knownOf(db, cause)
    const on = target && (await decisionsOn(db, target, now))
    waiting.push({
      decision,
      question: questionOf(decision),
      ...endOf(decision, policy, two, now),
      needsTwo: two,
      first: approvals.get(id),
      evidence: alerts,
      facts,
      known: knownSentences(facts),
      standing: on ? [...on.within, ...on.covering] : [],
    })
  }
  return waiting
}

async function evidenceOf(db: Reader, decision: Decision, limit: number) {
  const own = await alertsOf(db, decision.id, limit)
  const cause = own.length > 0 ? decision.id : await causeOf(db, decision)
  const alerts = own.length > 0 || cause === decision.id ? own : await alertsOf(db, cause, limit)
  return { cause, alerts: alerts.map((alert) => ({ ...alert, original: '', original_cut: true })) }
}

function questionOf({ target, lengthMs, audience, direction, measure, scope }: Decision): string {
  const order = {
    target: target ?? '',
    audience,
    direction: direction ?? 'in',
    lengthMs: lengthMs ?? 0,
    measure,
    scope,
  }
  return explainVerdict({ outcome: 'block', rule: null, order, reasons: [] }).join(' ')
}

/** Where two people are needed nothing is ever blocked by the clock. */
function endOf(decision: Decision, { review }: Policy, two: boolean, now: number) {
  const until = decision.created + review.timeoutMs
  const never = two || decision.origin === 'manual'
  const atTimeout = never ? ('decline' as const) : review.atTimeout
  const left = printDuration(Math.max(0, until - now))
  const what = atTimeout === 'block' ? 'blocked, if all still allows it' : 'declined'
  return { until, atTimeout, otherwise: `If nobody answers within ${left}, it is ${what}.` }
}
