/** Alerts in the order in which they were judged, beside their decisions. */
import { sql } from 'kysely'
import { Alert } from '#contract/alert.ts'
import type { Reader } from './store.ts'

/** `place` grows with each alert that is stored. */
export type JudgedAlert = { place: number; alert: Alert; decision: string }

/** As SQLite numbers rows: they are only ever added, and the oldest go first. */
const place = sql<number>`alerts.rowid`

/** `source` leaves out the alerts of other connectors. */
export async function judgedAfter(
  db: Reader,
  after: number,
  limit: number,
  source?: string,
): Promise<JudgedAlert[]> {
  let query = db
    .selectFrom('alerts')
    .select(['decision', 'body', place.as('place')])
    .where(place, '>', after)
  if (source !== undefined) query = query.where('source', '=', source)
  const rows = await query.orderBy(place).limit(limit).execute()
  return rows.map((row) => ({
    place: row.place,
    alert: Alert.parse(JSON.parse(row.body)),
    decision: row.decision,
  }))
}

/** 0 while there is none. */
export async function newestJudged(db: Reader): Promise<number> {
  const row = await db
    .selectFrom('alerts')
    .select(place.as('place'))
    .orderBy(place, 'desc')
    .limit(1)
    .executeTakeFirst()
  return row?.place ?? 0
}

/** How many between the two places were let go of: numbers that nobody has any more. */
export async function goneBetween(db: Reader, after: number, upto: number): Promise<number> {
  if (upto <= after) return 0
  const { n } = await db
    .selectFrom('alerts')
    .select((row) => row.fn.countAll<number>().as('n'))
    .where(place, '>', after)
    .where(place, '<=', upto)
    .executeTakeFirstOrThrow()
  return upto - after - n
}

/** Oldest first. */
export async function alertsFrom(
  db: Reader,
  source: string,
  decision: string,
  limit: number,
): Promise<Alert[]> {
  const rows = await db
    .selectFrom('alerts')
    .select('body')
    .where('decision', '=', decision)
    .where('source', '=', source)
    .orderBy(place)
    .limit(limit)
    .execute()
  return rows.map(({ body }) => Alert.parse(JSON.parse(body)))
}
