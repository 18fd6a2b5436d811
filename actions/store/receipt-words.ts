/** What nodes said, word by word, for sinks that were not told yet; the last word of each is in `receipts`. */
import type { Selectable } from 'kysely'
import type { Receipt } from '#contract/receipt.ts'
import { preparedList, type Slots } from './prepared.ts'
import type { Reader, Writer } from './store.ts'
import type { Tables } from './tables.ts'

export type ReceiptWord = Selectable<Tables['receipt_words']>
type Row = Omit<ReceiptWord, 'number'>

export async function putReceiptWords(
  tx: Writer,
  node: string,
  receipts: readonly Receipt[],
  heard: number,
): Promise<void> {
  await insertRows(
    tx,
    receipts.map(({ hits: _, code, detail, ...receipt }) => ({
      ...receipt,
      node,
      heard,
      code: code ?? null,
      detail: detail ?? null,
    })),
  )
}

const insertRows = preparedList((db, rows: readonly Slots<Row>[]) =>
  db.insertInto('receipt_words').values(rows),
)

export function wordsAfter(db: Reader, after: number, limit: number): Promise<ReceiptWord[]> {
  return db
    .selectFrom('receipt_words')
    .selectAll()
    .where('number', '>', after)
    .orderBy('number')
    .limit(limit)
    .execute()
}

/** 0 while there is none. */
export async function newestWord(db: Reader | Writer): Promise<number> {
  const row = await db
    .selectFrom('receipt_words')
    .select('number')
    .orderBy('number', 'desc')
    .limit(1)
    .executeTakeFirst()
  return row?.number ?? 0
}

export async function dropWords(tx: Writer, through: number): Promise<void> {
  await tx.deleteFrom('receipt_words').where('number', '<=', through).execute()
}
