/** What becomes of a provisional block once its attacker was asked about: it grows, is lifted, or a person decides. */
import { longestReason } from '#contract/action.ts'
import { explainReason } from '../decide/explain.ts'
import type { IntelligenceFact } from '../decide/outside.ts'
import { type Confirmation, confirm } from '../decide/provisional.ts'
import {
  type Decision,
  decisionIdFrom,
  findDecision,
  insertDecisions,
  updateDecision,
  updateReasons,
} from '../store/decisions.ts'
import { standingDecisions } from '../store/in-force.ts'
import { appendJournal, type JournalEntry } from '../store/journal.ts'
import type { Envelope } from '../store/outbox.ts'
import { dropPending, type Pending } from '../store/pending.ts'
import type { Writer } from '../store/store.ts'
import { gather } from './enrich.ts'
import { type Addressed, issue, toOrder } from './issue.ts'
import type { JudgeParts } from './judge-batch.ts'
import { answers, unheard } from './settle.ts'

/**
 * Stored, signed and sent when it resolves. A block that a person or a surer alert has touched meanwhile is theirs, and
 * what was settled already is not settled again.
 */
export async function settleProvisional(
  parts: JudgeParts,
  pending: Pending,
  said: Readonly<Record<string, IntelligenceFact>>,
): Promise<void> {
  const envelopes = await parts.store.write(async (tx) => {
    if ((await dropPending(tx, [pending.alert.id])) === 0) return []
    const now = parts.now()
    const before = await findDecision(tx, pending.decision)
    if (!before || !pending.provisional || !isUntouched(before, now)) return []
    const facts = await gather(tx, [pending.alert], parts, new Map([[pending.alert.id, said]]), now)
    const { rule, lengthMs } = pending.provisional
    const matter = {
      alert: pending.alert,
      facts: facts.factsOf(pending.alert),
      policy: parts.policy(),
      now,
    }
    const confirmation = confirm(matter, { rule, lengthMs, target: before.target ?? '' })
    return store(tx, parts, before, confirmation, lengthMs, now)
  })
  parts.hub.publish(envelopes)
}

/** Still the short block that was issued. */
function isUntouched(decision: Decision, now: number): boolean {
  const { state, issued, lengthMs, notAfter, actor } = decision
  const inForce = state === 'issued' || state === 'applied'
  const asIssued = notAfter === (issued ?? 0) + (lengthMs ?? 0)
  return inForce && asIssued && actor === null && (notAfter ?? 0) > now
}

async function store(
  tx: Writer,
  parts: JudgeParts,
  before: Decision,
  { outcome, reasons }: Confirmation,
  lengthMs: number,
  now: number,
): Promise<Envelope[]> {
  await updateReasons(tx, before.id, [...before.reasons, ...reasons], before.would)
  const because = reasons.map(explainReason).join(' ')
  if (outcome === 'confirm') {
    const after = { ...before, lengthMs, notAfter: (before.issued ?? now) + lengthMs }
    await updateDecision(tx, before.id, { lengthMs, notAfter: after.notAfter })
    await appendJournal(tx, [line('decision.confirm', before, after, because, now)])
    return issue(tx, parts.keys, [{ audience: after.audience, action: toOrder(after, now) }], now)
  }
  if (outcome === 'review') {
    const question = questionFrom(before, lengthMs, now)
    const asked = await askedAlready(tx, question, now)
    if (asked) {
      const vetoes = unheard(asked, reasons)
      await updateReasons(tx, asked.id, [...asked.reasons, ...vetoes], asked.would)
      return []
    }
    await insertDecisions(tx, [{ ...question, reasons: [...before.reasons, ...reasons] }])
    await appendJournal(tx, [line('decision.wait', undefined, question, because, now)])
    return []
  }
  const ended = { state: 'ended', ended: now, endReason: 'lifted' } as const
  await updateDecision(tx, before.id, ended)
  await appendJournal(tx, [line('decision.lift', before, { ...before, ...ended }, because, now)])
  return issue(tx, parts.keys, [lift(before, because, now)], now)
}

/** Whether to block for the whole length; the short block goes on to its end meanwhile. */
function questionFrom(before: Decision, lengthMs: number, now: number): Decision {
  return {
    ...before,
    id: decisionIdFrom(`review:${before.id}`),
    state: 'waiting',
    outcome: 'review',
    lengthMs,
    created: now,
    issued: null,
    notAfter: null,
  }
}

/** A short block that comes back while a person has not answered asks no second time. */
async function askedAlready(
  tx: Writer,
  question: Decision,
  now: number,
): Promise<Decision | undefined> {
  const { target, audience, direction, lengthMs, measure, scope } = question
  if (target === null || direction === null) return undefined
  const order = { target, audience, direction, lengthMs: lengthMs ?? 0, measure, scope }
  const standing = await standingDecisions(tx, [target], now)
  return standing.find((decision) => answers(decision, { outcome: 'review', order }))
}

function lift({ id, target, audience }: Decision, because: string, now: number): Addressed {
  const reason = because.slice(0, longestReason)
  const action = {
    action: 'lift',
    decision: id,
    target: target ?? '',
    issued: now,
    reason,
  } as const
  return { audience, action }
}

function line(
  action: string,
  before: Decision | undefined,
  after: Decision,
  reason: string,
  now: number,
): JournalEntry {
  return {
    at: now,
    actor: 'policy',
    action,
    subject: after.id,
    ...(before && { before: { not_after: before.notAfter } }),
    after: {
      rule: after.rule,
      target: after.target,
      audience: after.audience,
      direction: after.direction,
      not_after: after.notAfter,
      reason,
    },
  }
}
