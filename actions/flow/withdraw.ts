/** What a source takes back: decisions that stood on it alone are lifted, the others say that they stay, and why. */
import type { Withdrawal } from '#contract/withdrawal.ts'
import type { Policy } from '../decide/policy.ts'
import type { Verdict } from '../decide/verdict.ts'
import { insertAlerts } from '../store/alerts.ts'
import {
  type Decision,
  decisionIdFrom,
  decisionsById,
  insertDecisions,
} from '../store/decisions.ts'
import { dropPending } from '../store/pending.ts'
import {
  markWithdrawn,
  pendingStatements,
  type Statement,
  standingAlerts,
  stillSupported,
} from '../store/statements.ts'
import type { Writer } from '../store/store.ts'
import { offender } from './enrich.ts'
import { declined, lifted } from './order.ts'
import { type Change, isInForce, remark, type Who } from './order-line.ts'
import { apply, type CommitParts, commit } from './revise.ts'
import { settle } from './settle.ts'

/** Withdrawals in one transaction, so that alerts are never stuck behind a long one. */
const atOnce = 500

export type WithdrawParts = CommitParts & { policy(): Policy }

export type Withdrawn = {
  of: string
  /** How many alerts were taken back; 0 for what was never said, or was taken back before. */
  alerts: number
  lifted: string[]
  /** Decisions that other alerts or a person stand behind. */
  stays: string[]
}

/** Stored, signed and sent when it resolves, one answer each. To take back the same again does nothing. */
export async function withdraw(
  parts: WithdrawParts,
  withdrawals: readonly Withdrawal[],
): Promise<Withdrawn[]> {
  const answers: Withdrawn[] = []
  for (let i = 0; i < withdrawals.length; i += atOnce)
    answers.push(
      ...(await commit(parts, async (tx) => {
        const result: Withdrawn[] = []
        const changes: Change[] = []
        for (const withdrawal of withdrawals.slice(i, i + atOnce)) {
          const done = await takeBack(tx, parts, withdrawal)
          result.push(done.answer)
          changes.push(...done.changes)
        }
        return { result, changes }
      })),
    )
  return answers
}

async function takeBack(
  tx: Writer,
  parts: WithdrawParts,
  { source, of, attacker, observed, reason }: Withdrawal,
): Promise<{ answer: Withdrawn; changes: Change[] }> {
  const now = parts.now()
  const who: Who = { actor: `connector/${source}`, reason }
  const said = { source, statement: of }
  const until = Date.parse(observed)
  const unjudged = await forgetPending(tx, parts, said, attacker, until, who)
  const alerts = await standingAlerts(tx, said, attacker, until)
  await markWithdrawn(
    tx,
    alerts.map(({ id }) => id),
    now,
  )
  const answer: Withdrawn = { of, alerts: alerts.length, lifted: [], stays: [] }
  const changes: Change[] = []
  if (alerts.length === unjudged) return { answer, changes }
  const ids = [...new Set(alerts.map(({ decision }) => decision))]
  const supported = await stillSupported(tx, ids)
  for (const before of await touched(tx, ids, now)) {
    const stays = staysBecause(before, supported)
    if (stays === undefined) {
      answer.lifted.push(before.id)
      changes.push(await end(tx, before, who, now))
    } else {
      answer.stays.push(before.id)
      const more = { withdrawn: of, stays }
      changes.push(remark(who, now, 'decision.withdraw', before, more))
    }
  }
  return { answer, changes }
}

/**
 * An alert that providers are still asked about is judged as taken back, so that it is a repeat when they have answered.
 * Returns how many there were.
 */
async function forgetPending(
  tx: Writer,
  parts: WithdrawParts,
  said: Statement,
  attacker: string | undefined,
  until: number,
  { actor, reason }: Who,
): Promise<number> {
  const alerts = await pendingStatements(tx, said, attacker, until)
  if (alerts.length === 0) return 0
  const now = parts.now()
  const judged = alerts.map((alert) => {
    const counted = offender(alert, parts.policy())
    const reasons: Verdict['reasons'] = [{ code: 'withdrawn', by: actor, why: reason }]
    const verdict: Verdict = { outcome: 'ignore', rule: null, reasons }
    return { alert, ...settle(alert, verdict, counted, [], now), offender: counted }
  })
  await insertDecisions(
    tx,
    judged.map(({ decision }) => decision),
  )
  await insertAlerts(
    tx,
    judged.map(({ alert, decision, offender }) => ({
      alert,
      decision: decision.id,
      offender,
      facts: null,
    })),
  )
  await dropPending(
    tx,
    alerts.map(({ id }) => id),
  )
  return alerts.length
}

/** What waits or is in force of these decisions, and of the questions that provisional blocks among them became. */
async function touched(tx: Writer, ids: readonly string[], now: number): Promise<Decision[]> {
  const found = await decisionsById(tx, [...ids, ...ids.map(questionOf)])
  return [...found.values()].filter(
    (decision) =>
      decision.state === 'waiting' || (isInForce(decision) && (decision.notAfter ?? 0) > now),
  )
}

function questionOf(id: string): string {
  return decisionIdFrom(`review:${id}`)
}

function staysBecause(
  { id, origin, actor }: Decision,
  supported: ReadonlySet<string>,
): string | undefined {
  if (origin === 'manual') return 'a person ordered it'
  if (actor !== null) return `${actor} has decided on it`
  const others = [...supported].some((one) => one === id || questionOf(one) === id)
  return others ? 'other alerts stand behind it' : undefined
}

async function end(tx: Writer, before: Decision, who: Who, now: number): Promise<Change> {
  const [action, revised] = isInForce(before)
    ? (['decision.lift', lifted(now)] as const)
    : (['decision.decline', declined(now)] as const)
  const { changed } = await apply(tx, before, revised, who, action, now)
  return changed
}
