/** Whether the store can be written, found out by writing. */
import { putFact } from './facts.ts'
import type { Writer } from './store.ts'

/** A full disk refuses it as it would refuse an alert. */
export async function probe(tx: Writer, now: number): Promise<void> {
  await putFact(tx, 'probed', String(now))
}
