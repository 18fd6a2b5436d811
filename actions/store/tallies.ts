/** How many blocks there are and were: for ceilings, and for repeat offenders. */
import { sql } from 'kysely'
import { preparedIn } from './prepared.ts'
import type { Reader, Writer } from './store.ts'

/** How many blocks are in force, and how many the policy made since; what a person approved later does not count. */
export async function countBlocks(
  db: Reader | Writer,
  now: number,
  since: number,
): Promise<{ inForce: number; recent: number }> {
  const count = sql<number>`count(*)`
  const inForce = await db
    .selectFrom('decisions')
    .select(count.as('n'))
    // As the index says it: a bound value would not let SQLite see that it may use it.
    .where(sql<boolean>`state in ('issued', 'applied')`)
    .where('not_after', '>', now)
    .executeTakeFirst()
  // What is allowed blocks nobody; counted apart, since the index of what is in force does not know it.
  const allowed = await db
    .selectFrom('decisions')
    .select(count.as('n'))
    .where(sql<boolean>`action = 'allow' and state in ('issued', 'applied')`)
    .where('not_after', '>', now)
    .executeTakeFirst()
  const recent = await db
    .selectFrom('decisions')
    .select(count.as('n'))
    .where('created', '>', since)
    .where('issued', 'is not', null)
    .where('origin', '=', 'policy')
    .executeTakeFirst()
  return { inForce: (inForce?.n ?? 0) - (allowed?.n ?? 0), recent: recent?.n ?? 0 }
}

/** Questions that nobody has answered yet. */
export async function countWaiting(db: Reader): Promise<number> {
  const row = await db
    .selectFrom('decisions')
    .select(sql<number>`count(*)`.as('n'))
    .where(sql<boolean>`state = 'waiting'`)
    .executeTakeFirst()
  return row?.n ?? 0
}

/** Repeat offences by offender: decisions that were issued at any time. */
export async function countOffences(
  tx: Reader | Writer,
  offenders: readonly string[],
): Promise<Map<string, number>> {
  const counts = new Map<string, number>()
  for (const { offender, n } of await selectOffences(tx, offenders))
    if (offender !== null) counts.set(offender, n)
  return counts
}

const selectOffences = preparedIn((db, offenders) =>
  db
    .selectFrom('decisions')
    .select(['offender', sql<number>`count(*)`.as('n')])
    .where('offender', 'in', offenders)
    .where('issued', 'is not', null)
    .groupBy('offender'),
)
