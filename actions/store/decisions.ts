/** Decisions: verdicts that were recorded, and what became of them. */
import { createHash } from 'node:crypto'
import { type Selectable, sql } from 'kysely'
import { z } from 'zod'
import { Direction } from '#contract/action.ts'
import { base32 } from '#contract/id.ts'
import type { Measure, Narrowing } from '../decide/measure.ts'
import type { Outcome, Reason } from '../decide/verdict.ts'
import {
  measureColumns,
  measureOf,
  type Rollout,
  rolloutColumns,
  rolloutOf,
  scopeOf,
} from './measure-columns.ts'
import { prepared, preparedIn, preparedList, type Slots } from './prepared.ts'
import type { Reader, Writer } from './store.ts'
import type { Tables } from './tables.ts'

const Audiences = z.array(z.string())

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
  return `d-${base32(createHash('sha256').update(cause).digest().subarray(0, 10))}`
}

export async function insertDecisions(tx: Writer, decisions: readonly Decision[]): Promise<void> {
  await insertRows(tx, decisions.map(toRow))
}

const insertRows = preparedList((db, rows: readonly Slots<Row>[]) =>
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

/** Whom each decision is for; nothing for an id that is none. */
export async function audiencesById(
  db: Reader | Writer,
  ids: readonly string[],
): Promise<Map<string, string[]>> {
  const rows = await selectAudiences(db, ids)
  return new Map(rows.map(({ id, audience }) => [id, Audiences.parse(JSON.parse(audience))]))
}

const selectAudiences = preparedIn((db, ids) =>
  db.selectFrom('decisions').select(['id', 'audience']).where('id', 'in', ids),
)

/** What waits or is in force for exactly these targets. */
export async function standingDecisions(
  db: Reader | Writer,
  targets: readonly string[],
  now: number,
): Promise<Decision[]> {
  const found = (await selectStanding(db, targets)).map(fromRow)
  return found.filter((decision) => decision.notAfter === null || decision.notAfter > now)
}

const selectStanding = preparedIn((db, targets) =>
  db
    .selectFrom('decisions')
    .selectAll()
    .where('target', 'in', targets)
    .where('state', 'in', ['waiting', 'issued', 'applied']),
)

/** What people allow now, whatever it is narrowed to. */
export async function allowing(db: Reader | Writer, now: number): Promise<Decision[]> {
  return (await selectAllowing(db, { now })).map(fromRow)
}

const selectAllowing = prepared((db, { now }: Slots<{ now: number }>) =>
  db
    .selectFrom('decisions')
    .selectAll()
    // As the index says it.
    .where(sql<boolean>`action = 'allow' and state in ('issued', 'applied')`)
    .where('not_after', '>', now),
)

/** Blocks by rules that end before the time and that a node stopped something by since `hitSince`, soonest first. */
export async function endingBy(
  db: Reader | Writer,
  rules: readonly string[],
  { now, until, hitSince, limit }: { now: number; until: number; hitSince: number; limit: number },
): Promise<Decision[]> {
  const rows = await db
    .selectFrom('decisions')
    .selectAll()
    // As the index says it.
    .where(sql<boolean>`state in ('issued', 'applied')`)
    .where('not_after', '>', now)
    .where('not_after', '<=', until)
    .where('rule', 'in', rules)
    .where(
      sql<boolean>`exists (select 1 from hits where hits.decision = decisions.id and hits.last > ${hitSince})`,
    )
    .orderBy('not_after')
    .limit(limit)
    .execute()
  return rows.map(fromRow)
}

/** Soonest to end first, after the place where the last page ended. */
export async function targetsInForce(
  db: Reader | Writer,
  after: { notAfter: number; id: string },
  limit: number,
): Promise<{ id: string; target: string; notAfter: number }[]> {
  const rows = await db
    .selectFrom('decisions')
    .select(['id', 'target', 'not_after'])
    // As the index says it: with these words SQLite sees that it may walk it.
    .where(sql<boolean>`state in ('issued', 'applied')`)
    .where(sql<boolean>`(not_after, id) > (${after.notAfter}, ${after.id})`)
    .orderBy('not_after')
    .orderBy('id')
    .limit(limit)
    .execute()
  return rows.map(({ id, target, not_after }) => ({
    id,
    target: target ?? '',
    notAfter: not_after ?? 0,
  }))
}

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

type Evidence = Pick<Row, 'id' | 'alerts' | 'not_after'>
const setEvidence = prepared((db, { id, ...evidence }: Slots<Evidence>) =>
  db.updateTable('decisions').set(evidence).where('id', '=', id),
)

/** The first node confirmed: issued becomes applied. */
export async function markApplied(tx: Writer, ids: readonly string[]): Promise<void> {
  await setApplied(tx, ids)
}

const setApplied = preparedIn((db, ids) =>
  db
    .updateTable('decisions')
    .set({ state: 'applied' })
    .where('id', 'in', ids)
    .where('state', '=', 'issued'),
)

/** Ends by the clock what is past its time; the kernels have let go by themselves. Returns those ended. */
export async function endExpired(tx: Writer, now: number, limit: number): Promise<string[]> {
  const due = await tx
    .selectFrom('decisions')
    .select('id')
    .where(sql<boolean>`state in ('issued', 'applied')`)
    .where('not_after', '<=', now)
    .limit(limit)
    .execute()
  const ids = due.map((row) => row.id)
  for (let i = 0; i < ids.length; i += 500)
    await tx
      .updateTable('decisions')
      .set((row) => ({ state: 'ended', end_reason: 'expired', ended: row.ref('not_after') }))
      .where('id', 'in', ids.slice(i, i + 500))
      .execute()
  return ids
}

type Row = Selectable<Tables['decisions']>

function toRow(decision: Decision): Row {
  return {
    id: decision.id,
    state: decision.state,
    outcome: decision.outcome,
    origin: decision.origin,
    rule: decision.rule,
    target: decision.target,
    offender: decision.offender,
    direction: decision.direction,
    audience: JSON.stringify(decision.audience),
    length_ms: decision.lengthMs,
    created: decision.created,
    issued: decision.issued,
    not_after: decision.notAfter,
    ended: decision.ended,
    end_reason: decision.endReason,
    actor: decision.actor,
    note: decision.note,
    verdict: JSON.stringify({ reasons: decision.reasons, would: decision.would }),
    alerts: decision.alerts,
    ...measureColumns(decision),
    ...rolloutColumns(decision.rollout),
  }
}

function fromRow(row: Row): Decision {
  const verdict = JSON.parse(row.verdict) as { reasons: Reason[]; would: Outcome | null }
  return {
    id: row.id,
    state: row.state,
    outcome: row.outcome,
    origin: row.origin,
    rule: row.rule,
    target: row.target,
    offender: row.offender,
    direction: row.direction === null ? null : Direction.parse(row.direction),
    audience: Audiences.parse(JSON.parse(row.audience)),
    lengthMs: row.length_ms,
    created: row.created,
    issued: row.issued,
    notAfter: row.not_after,
    ended: row.ended,
    endReason: row.end_reason,
    actor: row.actor,
    note: row.note,
    reasons: verdict.reasons,
    would: verdict.would,
    alerts: row.alerts,
    measure: measureOf(row),
    scope: scopeOf(row),
    rollout: rolloutOf(row),
  }
}
