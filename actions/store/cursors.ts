/** How far each followed source was read; moved only with the alerts that were read. */
import type { Reader, Writer } from './store.ts'

export async function readSourceCursor(db: Reader, source: string): Promise<string | undefined> {
  const row = await db
    .selectFrom('cursors')
    .select('cursor')
    .where('source', '=', source)
    .executeTakeFirst()
  return row?.cursor
}

export async function putSourceCursor(
  tx: Writer,
  source: string,
  cursor: string,
  now: number,
): Promise<void> {
  await tx
    .insertInto('cursors')
    .values({ source, cursor, updated: now })
    .onConflict((conflict) => conflict.column('source').doUpdateSet({ cursor, updated: now }))
    .execute()
}

/** Those under names that begin so and were not moved since. */
export async function forgetCursors(tx: Writer, prefix: string, before: number): Promise<void> {
  await tx
    .deleteFrom('cursors')
    .where('source', '>=', prefix)
    .where('source', '<', `${prefix}\uffff`)
    .where('updated', '<', before)
    .execute()
}
