/** The last word of each node about each decision. */
import type { Selectable } from 'kysely'
import type { Receipt } from '#contract/receipt.ts'
import { preparedList, type Slots } from './prepared.ts'
import type { Reader, Writer } from './store.ts'
import type { Tables } from './tables.ts'

export type NodeReceipt = Selectable<Tables['receipts']>

/** A later receipt replaces an earlier one of the same node and decision. */
export async function putReceipts(
  tx: Writer,
  node: string,
  receipts: readonly Receipt[],
): Promise<void> {
  const last = new Map(receipts.map((receipt) => [receipt.decision, receipt]))
  await insertRows(
    tx,
    [...last.values()].map((receipt) => toRow(node, receipt)),
  )
}

const insertRows = preparedList((db, rows: readonly Slots<NodeReceipt>[]) =>
  db
    .insertInto('receipts')
    .values(rows)
    .onConflict((conflict) =>
      conflict.columns(['decision', 'node']).doUpdateSet((row) => ({
        status: row.ref('excluded.status'),
        at: row.ref('excluded.at'),
        code: row.ref('excluded.code'),
        detail: row.ref('excluded.detail'),
        audience: row.ref('excluded.audience'),
        epoch: row.ref('excluded.epoch'),
        seq: row.ref('excluded.seq'),
      })),
    ),
)

/** Those of the decisions that the node has answered for already. */
export async function answeredBefore(
  db: Reader | Writer,
  node: string,
  decisions: readonly string[],
): Promise<string[]> {
  const found: string[] = []
  for (let i = 0; i < decisions.length; i += 500) {
    const rows = await db
      .selectFrom('receipts')
      .select('decision')
      .where('decision', 'in', decisions.slice(i, i + 500))
      .where('node', '=', node)
      .execute()
    found.push(...rows.map(({ decision }) => decision))
  }
  return found
}

/** The words of whoever had this name before. */
export async function dropReceipts(tx: Writer, node: string): Promise<void> {
  await tx.deleteFrom('receipts').where('node', '=', node).execute()
}

export async function receiptsOf(db: Reader, decisions: readonly string[]): Promise<NodeReceipt[]> {
  const found: NodeReceipt[] = []
  for (let i = 0; i < decisions.length; i += 500)
    found.push(
      ...(await db
        .selectFrom('receipts')
        .selectAll()
        .where('decision', 'in', decisions.slice(i, i + 500))
        .orderBy('node')
        .execute()),
    )
  return found
}

/** What was stopped stands with what heartbeats say of it (hits.ts). */
function toRow(node: string, { hits: _, code, detail, ...receipt }: Receipt): NodeReceipt {
  return { ...receipt, node, code: code ?? null, detail: detail ?? null }
}
