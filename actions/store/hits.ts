/** What nodes last said of how much each decision stops there, and when it last did. */
import { sql } from 'kysely'
import type { DecisionHits } from '#contract/receipt.ts'
import { preparedIn, preparedList, type Slots } from './prepared.ts'
import type { Reader, Writer } from './store.ts'
import type { Tables } from './tables.ts'

type Row = Tables['hits']

/** Of one node, or of all together: then their newest numbers added up, and the latest of their times. */
export type Hits = { packets: number; last: number }

/** A node counts anew after a restart: what it says last is what counts. Each decision once. */
export async function putHits(
  tx: Writer,
  node: string,
  hits: readonly DecisionHits[],
): Promise<void> {
  await insertRows(
    tx,
    hits.map((one) => ({ ...one, node })),
  )
}

const insertRows = preparedList((db, rows: readonly Slots<Row>[]) =>
  db
    .insertInto('hits')
    .values(rows)
    .onConflict((conflict) =>
      conflict.columns(['decision', 'node']).doUpdateSet((row) => ({
        packets: row.ref('excluded.packets'),
        last: sql<number>`max(hits.last, excluded.last)`,
      })),
    ),
)

/** What one node said before, by decision. */
export async function hitsBefore(
  tx: Writer,
  node: string,
  decisions: readonly string[],
): Promise<Map<string, Hits>> {
  const before = new Map<string, Hits>()
  for (let i = 0; i < decisions.length; i += 500) {
    const rows = await tx
      .selectFrom('hits')
      .select(['decision', 'packets', 'last'])
      .where('decision', 'in', decisions.slice(i, i + 500))
      .where('node', '=', node)
      .execute()
    for (const { decision, packets, last } of rows) before.set(decision, { packets, last })
  }
  return before
}

/** Nothing for a decision that nobody was stopped by. */
export async function hitsOf(
  db: Reader | Writer,
  decisions: readonly string[],
): Promise<Map<string, Hits>> {
  const rows = await selectHits(db, decisions)
  return new Map(rows.map(({ decision, packets, last }) => [decision, { packets, last }]))
}

const selectHits = preparedIn((db, decisions) =>
  db
    .selectFrom('hits')
    .select([
      'decision',
      sql<number>`sum(packets)`.as('packets'),
      sql<number>`max(last)`.as('last'),
    ])
    .where('decision', 'in', decisions)
    .groupBy('decision'),
)

/** The words of whoever had this name before. */
export async function dropHits(tx: Writer, node: string): Promise<void> {
  await tx.deleteFrom('hits').where('node', '=', node).execute()
}
