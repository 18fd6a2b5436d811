/** Blocks that were given to a few nodes, and whose time to be looked at has come. */
import { sql } from 'kysely'
import { prepared, type Slots } from './prepared.ts'
import type { Reader } from './store.ts'

/** Soonest first. */
export async function rolloutsDue(db: Reader, now: number, limit: number): Promise<string[]> {
  return (await selectDue(db, { now, limit })).map(({ id }) => id)
}

const selectDue = prepared((db, { now, limit }: Slots<{ now: number; limit: number }>) =>
  db
    .selectFrom('decisions')
    .select('id')
    // As the index says it.
    .where(sql<boolean>`rollout_due is not null`)
    .where('rollout_due', '<=', now)
    .where('state', 'in', ['issued', 'applied'])
    .orderBy('rollout_due')
    .limit(limit),
)
