/** Blocks that were given to a few nodes, and whose time to be looked at has come. */
import { sql } from 'kysely'
import type { Reader } from './store.ts'

/** Soonest first. */
export async function rolloutsDue(db: Reader, now: number, limit: number): Promise<string[]> {
  const rows = await db
    .selectFrom('decisions')
    .select('id')
    // As the index says it.
    .where(sql<boolean>`rollout_due is not null`)
    .where('rollout_due', '<=', now)
    .where('state', 'in', ['issued', 'applied'])
    .orderBy('rollout_due')
    .limit(limit)
    .execute()
  return rows.map(({ id }) => id)
}
