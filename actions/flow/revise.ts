/** The transaction of everything that people order: read, checked, changed, journalled and signed at once. */
import { Problem } from '#contract/problem.ts'
import { dropApproval } from '../store/approvals.ts'
import { type Decision, findDecision, updateDecision } from '../store/decisions.ts'
import { appendJournal } from '../store/journal.ts'
import { closeLinks } from '../store/links.ts'
import type { Store, Writer } from '../store/store.ts'
import type { Hub } from './hub.ts'
import { issue } from './issue.ts'
import type { SigningKeys } from './keys.ts'
import { type Change, change, remark, type Who } from './order-line.ts'

export type CommitParts = { store: Store; keys: SigningKeys; hub: Hub; now(): number }

/** `pending`: it is as it was, since a second person has to agree. */
export type Ordered = Decision & { pending?: true }

export type Fields = Partial<Omit<Decision, 'id' | 'reasons' | 'would' | 'alerts'>>
/** Nothing changes yet but that this is said. */
export type Held = { held: Change }

/** Everything that one order changes, in one transaction and one envelope an audience. Returns the work's result. */
export async function commit<Result>(
  parts: CommitParts,
  work: (tx: Writer) => Promise<{ result: Result; changes: readonly Change[] }>,
): Promise<Result> {
  const { result, envelopes } = await parts.store.write(async (tx) => {
    const { result, changes } = await work(tx)
    await appendJournal(
      tx,
      changes.map(({ entry }) => entry),
    )
    const orders = changes.flatMap((one) => one.orders)
    return { result, envelopes: await issue(tx, parts.keys, orders, parts.now()) }
  })
  parts.hub.publish(envelopes)
  return result
}

/** Reads, checks the state, changes and signs in one transaction, so that two people cannot both decide. */
export function revise(
  parts: CommitParts,
  id: string,
  who: Who,
  action: string,
  from: readonly Decision['state'][],
  revision: (before: Decision, now: number, tx: Writer) => Promise<Fields | Held> | Fields,
): Promise<Ordered> {
  return commit(parts, async (tx) => {
    const before = await mustFind(tx, id)
    if (!from.includes(before.state)) throw wrongState(before, action)
    const now = parts.now()
    const revised = await revision(before, now, tx)
    if ('held' in revised) return { result: { ...before, pending: true }, changes: [revised.held] }
    const { after, changed } = await apply(tx, before, revised, who, action, now)
    return { result: after, changes: [changed] }
  })
}

/** Writes the change of one decision; whatever was asked about it before is answered by it. */
export async function apply(
  tx: Writer,
  before: Decision,
  revised: Fields,
  who: Who,
  action: string,
  now: number,
  more: object = {},
): Promise<{ after: Decision; changed: Change }> {
  const fields = { ...revised, actor: who.actor, note: who.reason }
  await updateDecision(tx, before.id, fields)
  await dropApproval(tx, before.id)
  await closeLinks(tx, before.id, now)
  const after = { ...before, ...fields }
  return { after, changed: change(who, now, action, before, after, more) }
}

/** The same; where nothing changes of the decision, the line alone. */
export async function applyOrRemark(
  tx: Writer,
  before: Decision,
  revised: Fields | undefined,
  who: Who,
  action: string,
  now: number,
  more: object,
): Promise<{ after: Decision; changed: Change }> {
  if (revised) return apply(tx, before, revised, who, action, now, more)
  return { after: before, changed: remark(who, now, action, before, more) }
}

/** Throws `not_found`. */
export async function mustFind(tx: Writer, id: string): Promise<Decision> {
  const found = await findDecision(tx, id)
  if (found) return found
  throw new Problem('not_found', `there is no decision ${id}`, {
    remedy: 'see "cordon decision list"',
  })
}

function wrongState(decision: Decision, action: string): Problem {
  const verb = action.replace('decision.', '')
  const by = decision.actor === null ? '' : ` by ${decision.actor}`
  const state = `${decision.endReason ?? decision.state}${by}`
  return new Problem('conflict', `cannot ${verb} ${decision.id}: it is ${state}`, {
    remedy: `see "cordon decision show ${decision.id}" for what became of it`,
  })
}
