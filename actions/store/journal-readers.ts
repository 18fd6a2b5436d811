/** How far those have read the journal who follow it: channels of notice, and sinks of results. */
import { z } from 'zod'
import type { Reader } from './store.ts'

const Place = z.looseObject({ seq: z.int().nonnegative() })

/** The last line that all of them have read, of those whose place is kept under these names. */
export async function readByAll(db: Reader, names: readonly string[]): Promise<number> {
  if (names.length === 0) return Number.POSITIVE_INFINITY
  const rows = await db
    .selectFrom('cursors')
    .select('cursor')
    .where('source', 'in', names)
    .execute()
  const places = rows.map(({ cursor }) => Place.parse(JSON.parse(cursor)).seq)
  return Math.min(Number.POSITIVE_INFINITY, ...places)
}
