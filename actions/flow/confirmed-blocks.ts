/** Blocks that the kernel of a node has confirmed, in the order in which they were ordered, for who tells others of them. */
import type { ConfirmedBlocks } from '#contract/connector.ts'
import { decisionsById } from '../store/decisions.ts'
import { newestSeq } from '../store/newest-seq.ts'
import { actionsAfter, linesAt } from '../store/notices.ts'
import { receiptsOf } from '../store/receipts.ts'
import type { Reader } from '../store/store.ts'

/** So long nodes have to confirm; who was away for longer is not waited for. */
const settledMs = 120_000

const orders = new Set(['decision.issue', 'decision.approve', 'decision.confirm'])

/** The cursor is a number of the journal; without one it begins now. `limit` bounds the lines that are looked at. */
export async function confirmedBlocks(
  db: Reader,
  cursor: string | undefined,
  limit: number,
  now: number,
): Promise<ConfirmedBlocks> {
  if (cursor === undefined) return { targets: [], cursor: String(await newestSeq(db)) }
  const lines = await actionsAfter(db, Number(cursor), limit)
  const young = lines.findIndex(({ at }) => at > now - settledMs)
  const settled = young < 0 ? lines : lines.slice(0, young)
  const ordered = settled.filter(({ action }) => orders.has(action)).map(({ seq }) => seq)
  const ids = [...new Set((await linesAt(db, ordered)).map(({ subject }) => subject))]
  const receipts = await receiptsOf(db, ids)
  // What has ended since was confirmed once, too.
  const confirmed = receipts.filter(({ status }) => status === 'applied' || status === 'ended')
  const decisions = await decisionsById(
    db,
    confirmed.map(({ decision }) => decision),
  )
  const targets = [...decisions.values()].flatMap(({ target }) => target ?? [])
  return { targets: [...new Set(targets)], cursor: String(settled.at(-1)?.seq ?? cursor) }
}
