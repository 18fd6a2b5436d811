/** Whether the store can be written, found out by writing. */
import type { Writer } from './store.ts'

/** A full disk refuses it as it would refuse an alert. */
export async function probe(tx: Writer, now: number): Promise<void> {
  const row = { name: 'probed', value: String(now) }
  await tx
    .insertInto('facts')
    .values(row)
    .onConflict((conflict) => conflict.column('name').doUpdateSet(row))
    .execute()
}
