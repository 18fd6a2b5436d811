/** What has come of age and may go, page by page, and the way to let it go. Nothing that stands is touched. */
import { sql } from 'kysely'
import { decisionIdFrom } from './decisions.ts'
import { putFact, readFact } from './facts.ts'
import type { Reader, Writer } from './store.ts'

/** Rows that one step looks at, and changes, at most: about 6 ms, for which an alert that comes meanwhile waits. */
export const stepRows = 250

/** Pages go by time and id; a place is where the last one ended. */
export type Place = { at: number; id: string }
export const beginning: Place = { at: Number.MIN_SAFE_INTEGER, id: '' }

export type AlertPage = {
  remove: string[]
  /** They stay, since a decision was made of them that stays: only the vendor's record goes. */
  thin: string[]
  /** Whether some stay as they are, so that they have to be looked at again. */
  held: boolean
  next: Place
  last: boolean
}

const standing = sql<boolean>`state in ('waiting', 'issued', 'applied')`
const settled = sql<boolean>`state in ('ended', 'declined', 'noted')`
const newestAlert = sql`(select id from alerts order by rowid desc limit 1)`
const isOlder = sql<boolean>`id <> ${newestAlert}`
const settledAt = sql<number>`coalesce(ended, created)`

/**
 * Alerts received before a time. What stands behind a decision in force or waiting is held, as is what was observed
 * since `counted`, which the policy may still count. The alert that made a decision which is kept is not removed: sent
 * again it would make the same decision a second time, and without it nobody could say why there is one. The newest of
 * all stays too: its number would be given again, and sinks that are behind it would not see who gets it.
 */
export async function alertsOfAge(
  db: Reader | Writer,
  from: Place,
  { before, counted }: { before: number; counted: number },
): Promise<AlertPage> {
  const rows = await db
    .selectFrom('alerts')
    .select(['id', 'decision', 'received', 'observed'])
    .where(sql<boolean>`(received, id) > (${from.at}, ${from.id})`)
    .where('received', '<', before)
    .orderBy('received')
    .orderBy('id')
    .limit(stepRows)
    .execute()
  const states = await statesOf(db, [...new Set(rows.map(({ decision }) => decision))])
  const page: AlertPage = { remove: [], thin: [], held: false, next: from, last: false }
  const newest = await newestAlertId(db)
  for (const { id, decision, observed } of rows) {
    const state = states.get(decision)
    if (state === 'standing' || observed >= counted) page.held = true
    else if (newest === id || (state === 'settled' && isCause(id, decision))) page.thin.push(id)
    else page.remove.push(id)
  }
  const end = rows.at(-1)
  if (end) page.next = { at: end.received, id: end.id }
  page.last = rows.length < stepRows
  return page
}

async function newestAlertId(db: Reader | Writer): Promise<string | undefined> {
  const { rows } = await sql<{ id: string }>`select id from ${newestAlert}`.execute(db)
  return rows[0]?.id
}

export async function removeAlerts(tx: Writer, ids: readonly string[]): Promise<void> {
  if (ids.length > 0) await tx.deleteFrom('alerts').where('id', 'in', ids).execute()
}

/** As the alert's schema has it: an empty record that is said to be cut. Returns how many had one. */
export async function thinAlerts(tx: Writer, ids: readonly string[]): Promise<number> {
  if (ids.length === 0) return 0
  const body = sql<string>`json_set(body, '$.original', '', '$.original_cut', json('true'))`
  const { numUpdatedRows } = await tx
    .updateTable('alerts')
    .set({ body })
    .where('id', 'in', ids)
    .where(hasOriginal)
    .executeTakeFirst()
  return Number(numUpdatedRows)
}

const hasOriginal = sql<boolean>`json_extract(body, '$.original') <> ''`

/** Those of the alerts that still have the vendor's record. */
export async function countOriginals(db: Reader | Writer, ids: readonly string[]): Promise<number> {
  if (ids.length === 0) return 0
  const row = await db
    .selectFrom('alerts')
    .select(sql<number>`count(*)`.as('n'))
    .where('id', 'in', ids)
    .where(hasOriginal)
    .executeTakeFirst()
  return row?.n ?? 0
}

/**
 * Decisions over for longer than since `before`, none of whose alerts is younger than `alertsBefore`. An offender's
 * blocks go together, when the last one is of age: until then each of them counts for how long the next one is.
 */
export async function decisionsOfAge(
  db: Reader | Writer,
  from: Place,
  { before, alertsBefore }: { before: number; alertsBefore: number },
): Promise<{ remove: string[]; next: Place; last: boolean }> {
  const rows = await db
    .selectFrom('decisions')
    .select(['id', 'created', 'offender', 'issued'])
    .select(sql<number>`${settled} and ${settledAt} < ${before}`.as('over'))
    .where(sql<boolean>`(created, id) > (${from.at}, ${from.id})`)
    .where('created', '<', before)
    .orderBy('created')
    .orderBy('id')
    .limit(stepRows)
    .execute()
  const over = rows.filter((row) => row.over === 1)
  const offenders = over.flatMap(({ offender, issued }) =>
    offender === null || issued === null ? [] : [offender],
  )
  const ids = over.map(({ id }) => id)
  const busy = await withYoungAlerts(db, ids, alertsBefore)
  const active = await activeOffenders(db, [...new Set(offenders)], before)
  const remove = over.filter(
    ({ id, offender, issued }) =>
      !busy.has(id) && !(issued !== null && offender !== null && active.has(offender)),
  )
  const end = rows.at(-1)
  return {
    remove: remove.map(({ id }) => id),
    next: end ? { at: end.created, id: end.id } : from,
    last: rows.length < stepRows,
  }
}

/** What hangs on the decisions goes first, in as many steps as it takes; `gone` when they went too. */
export async function removeDecisions(
  tx: Writer,
  ids: readonly string[],
): Promise<{ receipts: number; alerts: number; gone: boolean }> {
  if (ids.length === 0) return { receipts: 0, alerts: 0, gone: true }
  const some = sql`(${sql.join(ids)})`
  const receipts = await changed(
    tx,
    sql`delete from receipts where (decision, node) in
        (select decision, node from receipts where decision in ${some} limit ${stepRows})`,
  )
  if (receipts === stepRows) return { receipts, alerts: 0, gone: false }
  const hits = await changed(
    tx,
    sql`delete from hits where (decision, node) in
        (select decision, node from hits where decision in ${some} limit ${stepRows})`,
  )
  if (hits === stepRows) return { receipts, alerts: 0, gone: false }
  const alerts = await changed(
    tx,
    sql`delete from alerts where id in
        (select id from alerts where decision in ${some} and ${isOlder} limit ${stepRows})`,
  )
  if (alerts === stepRows) return { receipts, alerts, gone: false }
  await tx.deleteFrom('decisions').where('id', 'in', ids).execute()
  return { receipts, alerts, gone: true }
}

/** What goes with the decisions: receipts, and the alerts that made them. */
export async function countWith(
  db: Reader,
  ids: readonly string[],
): Promise<{ receipts: number; alerts: number }> {
  if (ids.length === 0) return { receipts: 0, alerts: 0 }
  const row = await db
    .selectFrom('receipts')
    .select(sql<number>`count(*)`.as('n'))
    .where('decision', 'in', ids)
    .executeTakeFirst()
  const alerts = await db
    .selectFrom('alerts')
    .select(['id', 'decision'])
    .where('decision', 'in', ids)
    .where(isOlder)
    .execute()
  const causes = alerts.filter(({ id, decision }) => isCause(id, decision))
  return { receipts: row?.n ?? 0, alerts: causes.length }
}

export function removeIntelligence(tx: Writer, before: number): Promise<number> {
  return changed(
    tx,
    sql`delete from intelligence where (provider, address) in
        (select provider, address from intelligence where asked < ${before} limit ${stepRows})`,
  )
}

export async function countIntelligence(db: Reader, before: number): Promise<number> {
  const row = await db
    .selectFrom('intelligence')
    .select(sql<number>`count(*)`.as('n'))
    .where('asked', '<', before)
    .executeTakeFirst()
  return row?.n ?? 0
}

/** Up to where all has been let go that may be, so that the next round does not look at it again. */
export async function readPlace(db: Reader | Writer, name: string): Promise<Place> {
  const value = await readFact(db, `retention.${name}`)
  const [, at, id] = /^(-?\d+) (.*)$/s.exec(value ?? '') ?? []
  return at === undefined || id === undefined ? beginning : { at: Number(at), id }
}

export async function putPlace(tx: Writer, name: string, place: Place): Promise<void> {
  await putFact(tx, `retention.${name}`, `${place.at} ${place.id}`)
}

/** Bytes of the database, and those within it that are free to be used again: the file does not shrink by itself. */
export async function readSpace(db: Reader): Promise<{ bytes: number; free: number }> {
  const { rows } = await sql<{ pages: number; free: number; size: number }>`
    select page_count as pages, freelist_count as free, page_size as size
    from pragma_page_count(), pragma_freelist_count(), pragma_page_size()`.execute(db)
  const [row] = rows
  return { bytes: (row?.pages ?? 0) * (row?.size ?? 0), free: (row?.free ?? 0) * (row?.size ?? 0) }
}

/** The id of a decision follows from the alert that made it. */
function isCause(alert: string, decision: string): boolean {
  return decisionIdFrom(`alert:${alert}`) === decision
}

async function statesOf(
  db: Reader | Writer,
  ids: readonly string[],
): Promise<Map<string, 'standing' | 'settled'>> {
  if (ids.length === 0) return new Map()
  const rows = await db
    .selectFrom('decisions')
    .select(['id', sql<number>`${standing}`.as('stands')])
    .where('id', 'in', ids)
    .execute()
  return new Map(rows.map(({ id, stands }) => [id, stands === 1 ? 'standing' : 'settled']))
}

async function withYoungAlerts(
  db: Reader | Writer,
  ids: readonly string[],
  since: number,
): Promise<Set<string>> {
  if (ids.length === 0) return new Set()
  const young = sql<boolean>`exists (select 1 from alerts
    where alerts.decision = decisions.id and alerts.received >= ${since})`
  const rows = await db
    .selectFrom('decisions')
    .select('id')
    .where('id', 'in', ids)
    .where(young)
    .execute()
  return new Set(rows.map(({ id }) => id))
}

async function activeOffenders(
  db: Reader | Writer,
  offenders: readonly string[],
  since: number,
): Promise<Set<string | null>> {
  if (offenders.length === 0) return new Set()
  const rows = await db
    .selectFrom('decisions')
    .select('offender')
    .distinct()
    .where('offender', 'in', offenders)
    .where('issued', 'is not', null)
    .where(sql<boolean>`(${standing} or ${settledAt} >= ${since})`)
    .execute()
  return new Set(rows.map(({ offender }) => offender))
}

async function changed(tx: Writer, statement: ReturnType<typeof sql>): Promise<number> {
  const { numAffectedRows } = await statement.execute(tx)
  return Number(numAffectedRows ?? 0)
}
