/** What one order changes: its line in the journal, and what the nodes hear of it. */
import { longestReason } from '#contract/action.ts'
import { isSameMeasure } from '../decide/measure.ts'
import type { Decision } from '../store/decisions.ts'
import type { JournalEntry } from '../store/journal.ts'
import { type Addressed, toOrder } from './issue.ts'

/** `actor` is `token/<name>`; the reason is required: somebody will ask at night. */
export type Who = { actor: string; reason: string }

export type Change = { entry: JournalEntry; orders: Addressed[] }

/** The journal line, and the order to the nodes if the change is theirs to hear. */
export function change(
  who: Who,
  now: number,
  action: string,
  before: Decision | undefined,
  after: Decision,
  more: object = {},
): Change {
  const entry = {
    at: now,
    actor: who.actor,
    action,
    subject: after.id,
    ...(before && { before: journalled(before) }),
    after: { ...journalled(after), ...more, reason: who.reason },
  }
  return { entry, orders: ordersOf(who, now, before, after) }
}

/** A line about a decision that stays as it is. */
export function remark(
  who: Who,
  now: number,
  action: string,
  { id, target }: Decision,
  more: object,
): Change {
  const after = { target, ...more, reason: who.reason }
  return { entry: { at: now, actor: who.actor, action, subject: id, after }, orders: [] }
}

function ordersOf(
  who: Who,
  now: number,
  before: Decision | undefined,
  after: Decision,
): Addressed[] {
  if (isInForce(after)) return [{ audience: after.audience, action: toOrder(after, now) }]
  if (!before || !isInForce(before) || after.target === null) return []
  const { id: decision, target } = after
  const reason = who.reason.slice(0, longestReason)
  const action = { action: 'lift', decision, target, issued: now, reason } as const
  return [{ audience: before.audience, action }]
}

export function isInForce({ state }: Decision): boolean {
  return state === 'issued' || state === 'applied'
}

/** What allows stops nothing. */
export function stops({ measure }: Decision): boolean {
  return measure.action !== 'allow'
}

/** What an undo puts back. */
function journalled(decision: Decision): object {
  const { state, target, audience, direction, lengthMs, issued, notAfter } = decision
  const order = { ...measured(decision), length_ms: lengthMs, issued, not_after: notAfter }
  return { state, target, audience, direction, ...order }
}

/** What a plain block has not; nothing for one. */
export function measured({ measure, scope }: Pick<Decision, 'measure' | 'scope'>): object {
  return isSameMeasure({ measure, scope }, {}) ? {} : { ...measure, ...scope }
}
