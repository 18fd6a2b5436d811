/** The queue of questions: what waits for a person, oldest first, and what was last done to a decision. */
import { sql } from 'kysely'
import { type Decision, decisionIdFrom, listDecisions } from './decisions.ts'
import type { JournalLine } from './journal.ts'
import { prepared, type Slots } from './prepared.ts'
import type { Reader, Writer } from './store.ts'

export type Question = { id: string; target: string; rule: string | null; created: number }

/** Oldest first; `until` leaves out what came after it. */
export async function listQuestions(
  db: Reader | Writer,
  { until }: { until?: number } = {},
): Promise<Question[]> {
  let query = db
    .selectFrom('decisions')
    .select(['id', 'target', 'rule', 'created'])
    // As the index says it.
    .where(sql<boolean>`state = 'waiting'`)
  if (until !== undefined) query = query.where('created', '<=', until)
  const rows = await query.orderBy('created').orderBy('id').execute()
  return rows.map(({ target, ...row }) => ({ ...row, target: target ?? '' }))
}

/** Those that came until then, oldest first. */
export async function questionsUntil(db: Reader, until: number, limit: number): Promise<string[]> {
  return (await selectUntil(db, { until, limit })).map(({ id }) => id)
}

const selectUntil = prepared((db, { until, limit }: Slots<{ until: number; limit: number }>) =>
  db
    .selectFrom('decisions')
    .select('id')
    // As the index says it.
    .where(sql<boolean>`state = 'waiting'`)
    .where('created', '<=', until)
    .orderBy('created')
    .orderBy('id')
    .limit(limit),
)

/**
 * The decision whose alerts stand behind this one: itself, or the provisional block out of which it became a question.
 */
export async function causeOf(
  db: Reader | Writer,
  { id, target, alerts }: Decision,
): Promise<string> {
  if (target === null || alerts === 0) return id
  const others = await listDecisions(db, { target, limit: 100 })
  return others.find((other) => decisionIdFrom(`review:${other.id}`) === id)?.id ?? id
}

/** What was known from outside when the newest of its alerts was judged, as it was kept. */
export async function knownOf(db: Reader | Writer, decision: string): Promise<unknown> {
  const row = await db
    .selectFrom('alerts')
    .select('facts')
    .where('decision', '=', decision)
    .where('facts', 'is not', null)
    .orderBy('observed', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row?.facts ? JSON.parse(row.facts) : null
}

/** The last thing that was done to a decision; what nodes said of it is left out. */
export function newestStep(
  db: Reader | Writer,
  decision: string,
): Promise<JournalLine | undefined> {
  return db
    .selectFrom('journal')
    .selectAll()
    .where('subject', '=', decision)
    .where('action', 'like', 'decision.%')
    .orderBy('seq', 'desc')
    .limit(1)
    .executeTakeFirst()
}
