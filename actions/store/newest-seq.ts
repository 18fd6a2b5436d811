/** How long the journal is. */
import type { Reader } from './store.ts'

/** The number of its newest line; 0 while it has none. */
export async function newestSeq(db: Reader): Promise<number> {
  const row = await db
    .selectFrom('journal')
    .select('seq')
    .orderBy('seq', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row?.seq ?? 0
}
