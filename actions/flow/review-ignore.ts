/** Ignoring for a time: an attacker, a kind of alert, or the one from the other. */
import type { Alert } from '#contract/alert.ts'
import { Problem } from '#contract/problem.ts'
import { signatureOf } from '../decide/case.ts'
import { alertsOf } from '../store/alerts.ts'
import { type Decision, decisionIdFrom } from '../store/decisions.ts'
import type { JournalEntry } from '../store/journal.ts'
import { causeOf } from '../store/review.ts'
import { dropIgnored, findIgnored, type Ignored, putIgnored } from '../store/said.ts'
import type { Reader, Writer } from '../store/store.ts'
import { declined } from './order.ts'
import type { Who } from './order-line.ts'
import { checkSpan, newId, type ReviewParts } from './review.ts'
import { applyOrRemark, commit, mustFind } from './revise.ts'

export const ignorable = ['attacker', 'signature', 'both'] as const
export type Ignoring = { what: (typeof ignorable)[number]; lengthMs: number }

export function ignore(
  parts: ReviewParts,
  id: string,
  { what, lengthMs }: Ignoring,
  who: Who,
): Promise<{ decision: Decision; ignored: Ignored }> {
  checkSpan(lengthMs)
  return commit(parts, async (tx) => {
    const now = parts.now()
    const before = await mustFind(tx, id)
    const { actor, reason } = who
    const ignored: Ignored = {
      id: newId(parts, 'i'),
      target: what === 'signature' ? null : mustTarget(before),
      signature: what === 'attacker' ? null : signatureOf(await causeAlert(tx, before)),
      until: now + lengthMs,
      actor,
      reason,
      created: now,
    }
    await putIgnored(tx, ignored)
    const { target, signature, until } = ignored
    const added = { target, signature, until, decision: id, reason }
    const entry = { at: now, actor, action: 'ignore.add', subject: ignored.id, after: added }
    const more = { ignored: ignored.id, signature, until }
    // A question is answered by it with no; anything else stays as it is.
    const no = before.state === 'waiting' ? declined(now) : undefined
    const action = 'decision.ignore'
    const { after, changed } = await applyOrRemark(tx, before, no, who, action, now, more)
    return { result: { decision: after, ignored }, changes: [{ entry, orders: [] }, changed] }
  })
}

export function endIgnored(parts: ReviewParts, id: string, who: Who): Promise<Ignored> {
  return commit(parts, async (tx) => {
    const { ignored, entry } = await takeBack(tx, id, who, parts.now())
    return { result: ignored, changes: [{ entry, orders: [] }] }
  })
}

/** Throws `not_found` for one that has ended. */
export async function takeBack(
  tx: Writer,
  id: string,
  { actor, reason }: Who,
  now: number,
): Promise<{ ignored: Ignored; entry: JournalEntry }> {
  const ignored = await findIgnored(tx, id)
  if (!ignored || ignored.until <= now)
    throw new Problem('not_found', `${id} is not ignored, or no longer`, {
      remedy: 'see "cordon ignored list"',
    })
  await dropIgnored(tx, id)
  const { target, signature } = ignored
  const after = { target, signature, reason }
  return { ignored, entry: { at: now, actor, action: 'ignore.end', subject: id, after } }
}

/** The alert that made the decision. Throws `conflict` when none is kept. */
export async function causeAlert(db: Reader | Writer, decision: Decision): Promise<Alert> {
  const cause = await causeOf(db, decision)
  const alerts = await alertsOf(db, cause, 50)
  const first = alerts.find(({ id }) => decisionIdFrom(`alert:${id}`) === cause) ?? alerts[0]
  if (first) return first
  throw new Problem('conflict', `no alert stands behind ${decision.id}, so it has no signature`, {
    remedy: 'ignore its attacker instead',
  })
}

export function mustTarget({ id, target }: Decision): string {
  if (target !== null) return target
  throw new Problem('conflict', `${id} has no target`, {
    remedy: 'choose a decision about an address',
  })
}
