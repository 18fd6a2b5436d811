/** Decisions that wait or are in force: which stand now, that nodes applied them, and their end by the clock. */
import { sql } from 'kysely'
import { fromRow } from './decision-row.ts'
import type { Decision } from './decisions.ts'
import { prepared, preparedIn, type Slots } from './prepared.ts'
import type { Reader, Writer } from './store.ts'

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

/** What is in force and names anybody at the other end. */
export async function peered(db: Reader | Writer, now: number): Promise<Decision[]> {
  return (await selectPeered(db, { now })).map(fromRow)
}

const selectPeered = prepared((db, { now }: Slots<{ now: number }>) =>
  db
    .selectFrom('decisions')
    .selectAll()
    // As the index says it.
    .where(sql<boolean>`instr(scope, '"peer":') > 0 and state in ('issued', 'applied')`)
    .where('not_after', '>', now),
)

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

export async function anyExpired(db: Reader, now: number): Promise<boolean> {
  return (await selectExpired(db, { now })).length > 0
}

const selectExpired = prepared((db, { now }: Slots<{ now: number }>) =>
  db
    .selectFrom('decisions')
    .select('id')
    .where(sql<boolean>`state in ('issued', 'applied')`)
    .where('not_after', '<=', now)
    .limit(1),
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
