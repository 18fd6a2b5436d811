/** What channels of notice read of the journal, and the notices that they were given up for. */
import type { Selectable } from 'kysely'
import { z } from 'zod'
import { Notice } from '#contract/notice.ts'
import type { JournalLine } from './journal.ts'
import type { Reader, Writer } from './store.ts'
import type { Tables } from './tables.ts'

export type DeadLetter = {
  id: string
  channel: string
  created: number
  tries: number
  problem: string
  notices: Notice[]
}

const Notices = z.array(Notice)

/** Kept of each channel: the newest so many. */
const keptLetters = 1_000

/** Only what tells whether a line is of interest: a flood has many. */
export function actionsAfter(
  db: Reader,
  after: number,
  limit: number,
): Promise<{ seq: number; action: string; at: number }[]> {
  return db
    .selectFrom('journal')
    .select(['seq', 'action', 'at'])
    .where('seq', '>', after)
    .orderBy('seq')
    .limit(limit)
    .execute()
}

export function linesAt(db: Reader, seqs: readonly number[]): Promise<JournalLine[]> {
  if (seqs.length === 0) return Promise.resolve([])
  return db.selectFrom('journal').selectAll().where('seq', 'in', seqs).orderBy('seq').execute()
}

/** Burying the same letter twice leaves one. */
export async function putDeadLetter(tx: Writer, letter: DeadLetter): Promise<void> {
  const row = { ...letter, notices: JSON.stringify(letter.notices) }
  await tx
    .insertInto('notice_dead_letters')
    .values(row)
    .onConflict((conflict) => conflict.column('id').doUpdateSet(row))
    .execute()
  const oldest = await tx
    .selectFrom('notice_dead_letters')
    .select('id')
    .where('channel', '=', letter.channel)
    .orderBy('created', 'desc')
    .orderBy('id')
    .offset(keptLetters)
    .limit(100)
    .execute()
  for (const { id } of oldest) await dropDeadLetter(tx, id)
}

/** Newest first. */
export async function listDeadLetters(db: Reader, limit: number): Promise<DeadLetter[]> {
  const rows = await db
    .selectFrom('notice_dead_letters')
    .selectAll()
    .orderBy('created', 'desc')
    .orderBy('id')
    .limit(limit)
    .execute()
  return rows.map(fromRow)
}

export async function findDeadLetter(db: Reader, id: string): Promise<DeadLetter | undefined> {
  const row = await db
    .selectFrom('notice_dead_letters')
    .selectAll()
    .where('id', '=', id)
    .executeTakeFirst()
  return row && fromRow(row)
}

export async function dropDeadLetter(tx: Writer, id: string): Promise<void> {
  await tx.deleteFrom('notice_dead_letters').where('id', '=', id).execute()
}

function fromRow(row: Selectable<Tables['notice_dead_letters']>): DeadLetter {
  return { ...row, notices: Notices.parse(JSON.parse(row.notices)) }
}
