/** Decisions: verdicts that were recorded, and what became of them. */
import { hash } from 'node:crypto'
import { sql } from 'kysely'
import type { Direction } from '#contract/action.ts'
import { base32 } from '#contract/id.ts'
import type { Measure, Narrowing } from '../decide/measure.ts'
import type { Outcome, Reason } from '../decide/verdict.ts'
import { type DecisionRow, fromRow, readAudience, toRow } from './decision-row.ts'
import { type Rollout, rolloutColumns } from './measure-columns.ts'
import { prepared, preparedIn, preparedList, type Slots } from './prepared.ts'
import type { Reader, Writer } from './store.ts'

/** `noted`: nothing to enforce (watch, ignore, or covered by a block that goes on). */
export const decisionStates = [
  'waiting',
  'issued',
  'applied',
  'ended',
  'declined',
  'noted',
] as const
export type DecisionState = (typeof decisionStates)[number]
export type EndReason = 'expired' | 'lifted'
export type Origin = 'policy' | 'manual'

export type Decision = {
  id: string
  state: DecisionState
  outcome: Outcome
  origin: Origin
  rule: string | null
  target: string | null
  offender: string | null
  direction: Direction | null
  audience: string[]
  lengthMs: number | null
  created: number
  issued: number | null
  notAfter: number | null
  ended: number | null
  endReason: EndReason | null
  actor: string | null
  note: string | null
  reasons: Reason[]
  would: Outcome | null
  /** How many alerts stand behind it. */
  alerts: number
  measure: Measure
  /** What narrows it besides its direction. */
  scope: Narrowing
  rollout: Rollout | null
}

/** The id follows from what caused it, so that the same alert can never make two decisions. */
export function decisionIdFrom(cause: string): string {
  return `d-${base32(hash('sha256', cause, 'buffer').subarray(0, 10))}`
}

export async function insertDecisions(tx: Writer, decisions: readonly Decision[]): Promise<void> {
  await insertRows(tx, decisions.map(toRow))
}

const insertRows = preparedList((db, rows: readonly Slots<DecisionRow>[]) =>
  db.insertInto('decisions').values(rows),
)

export async function findDecision(db: Reader | Writer, id: string): Promise<Decision | undefined> {
  const row = await db.selectFrom('decisions').selectAll().where('id', '=', id).executeTakeFirst()
  return row && fromRow(row)
}

export async function decisionsById(
  db: Reader | Writer,
  ids: readonly string[],
): Promise<Map<string, Decision>> {
  const rows = await selectByIds(db, ids)
  return new Map(rows.map((row) => [row.id, fromRow(row)]))
}

const selectByIds = preparedIn((db, ids) =>
  db.selectFrom('decisions').selectAll().where('id', 'in', ids),
)

/** On these targets, ended by somebody before their time or taken back after a trial, which a node that is away holds still. */
export async function takenBack(
  db: Reader,
  targets: readonly string[],
  now: number,
): Promise<Decision[]> {
  const rows = await db
    .selectFrom('decisions')
    .selectAll()
    .where('target', 'in', targets)
    .where('state', 'in', ['ended', 'waiting', 'declined'])
    .where(({ eb, or }) => or([eb('not_after', 'is', null), eb('not_after', '>', now)]))
    // A noisy address may have thousands of questions that were declined, and of which no node ever heard.
    .where(
      sql<boolean>`exists (select 1 from receipts where receipts.decision = decisions.id and receipts.status = 'applied')`,
    )
    .orderBy('created', 'desc')
    .execute()
  return rows.map(fromRow)
}

/** Of which decisions both are the same: whom they are for, and how far they are. */
export type Alike = Pick<Decision, 'state' | 'audience'> & { ids: string[] }

/** All of the decisions in few groups, which a row for each would cost more than to find it; an id that is none is in none. */
export async function alikeById(db: Reader | Writer, ids: readonly string[]): Promise<Alike[]> {
  const groups = await selectAlike(db, ids)
  return groups.map(({ state, audience, ids }) => ({
    state,
    audience: readAudience(audience),
    ids: JSON.parse(ids) as string[],
  }))
}

const selectAlike = preparedIn((db, ids) =>
  db
    .selectFrom('decisions')
    .select(['state', 'audience', sql<string>`json_group_array(id)`.as('ids')])
    .where('id', 'in', ids)
    .groupBy(['state', 'audience']),
)

export type DecisionFilter = {
  state?: DecisionState
  target?: string
  before?: string
  limit: number
}

/** Newest first; `before` is the id that the last page ended with. */
export async function listDecisions(db: Reader, filter: DecisionFilter): Promise<Decision[]> {
  let query = db.selectFrom('decisions').selectAll()
  if (filter.state !== undefined) query = query.where('state', '=', filter.state)
  if (filter.target !== undefined) query = query.where('target', '=', filter.target)
  if (filter.before !== undefined) {
    const edge = await findDecision(db, filter.before)
    if (!edge) return []
    query = query.where(sql<boolean>`(created, id) < (${edge.created}, ${edge.id})`)
  }
  const rows = await query
    .orderBy('created', 'desc')
    .orderBy('id', 'desc')
    .limit(filter.limit)
    .execute()
  return rows.map(fromRow)
}

export async function updateDecision(
  tx: Writer,
  id: string,
  change: Partial<Omit<Decision, 'id' | 'reasons' | 'would' | 'alerts'>>,
): Promise<void> {
  await tx
    .updateTable('decisions')
    .set({
      ...(change.state !== undefined && { state: change.state }),
      ...(change.audience !== undefined && { audience: JSON.stringify(change.audience) }),
      ...(change.lengthMs !== undefined && { length_ms: change.lengthMs }),
      ...(change.issued !== undefined && { issued: change.issued }),
      ...(change.notAfter !== undefined && { not_after: change.notAfter }),
      ...(change.ended !== undefined && { ended: change.ended }),
      ...(change.endReason !== undefined && { end_reason: change.endReason }),
      ...(change.actor !== undefined && { actor: change.actor }),
      ...(change.note !== undefined && { note: change.note }),
      ...(change.rollout !== undefined && rolloutColumns(change.rollout)),
    })
    .where('id', '=', id)
    .execute()
}

/** What was found later about a decision that stands. */
export async function updateReasons(
  tx: Writer,
  id: string,
  reasons: readonly Reason[],
  would: Outcome | null,
): Promise<void> {
  await tx
    .updateTable('decisions')
    .set({ verdict: JSON.stringify({ reasons, would }) })
    .where('id', '=', id)
    .execute()
}

/** More alerts stand behind a decision, which may have been prolonged by them. */
export async function updateEvidence(
  tx: Writer,
  { id, alerts, notAfter }: Pick<Decision, 'id' | 'alerts' | 'notAfter'>,
): Promise<void> {
  await setEvidence(tx, { id, alerts, not_after: notAfter })
}

type Evidence = Pick<DecisionRow, 'id' | 'alerts' | 'not_after'>
const setEvidence = prepared((db, { id, ...evidence }: Slots<Evidence>) =>
  db.updateTable('decisions').set(evidence).where('id', '=', id),
)
