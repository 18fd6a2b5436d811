/** The hash-chained record of every change: each line's hash covers the line and the hash before it. */
import { createHash } from 'node:crypto'
import { setImmediate as turn } from 'node:timers/promises'
import type { Selectable } from 'kysely'
import type { Reader, Writer } from './store.ts'
import type { Tables } from './tables.ts'

export type JournalEntry = {
  at: number
  /** `policy`, `clock`, `service`, `node/<name>` or `token/<name>`. */
  actor: string
  /** Noun and verb: `decision.issue`, `node.revoke`, `key.rotate`. */
  action: string
  subject: string
  before?: unknown
  after?: unknown
}
export type JournalLine = Selectable<Tables['journal']>

/** Appends in the caller's transaction; the single writer keeps the chain in order. */
export async function appendJournal(tx: Writer, entries: readonly JournalEntry[]): Promise<void> {
  if (entries.length === 0) return
  const last = await tx
    .selectFrom('journal')
    .select(['seq', 'hash'])
    .orderBy('seq', 'desc')
    .limit(1)
    .execute()
  let seq = last[0]?.seq ?? 0
  let prev = last[0]?.hash ?? ''
  const lines = entries.map((entry) => {
    const body = {
      seq: ++seq,
      at: entry.at,
      actor: entry.actor,
      action: entry.action,
      subject: entry.subject,
      before: entry.before === undefined ? null : JSON.stringify(entry.before),
      after: entry.after === undefined ? null : JSON.stringify(entry.after),
      prev,
    }
    prev = lineHash(body)
    return { ...body, hash: prev }
  })
  for (let i = 0; i < lines.length; i += 200)
    await tx
      .insertInto('journal')
      .values(lines.slice(i, i + 200))
      .execute()
}

export function readJournal(
  db: Reader,
  page: { after: number; limit: number; subject?: string },
): Promise<JournalLine[]> {
  let query = db.selectFrom('journal').selectAll().where('seq', '>', page.after)
  if (page.subject !== undefined) query = query.where('subject', '=', page.subject)
  return query.orderBy('seq').limit(page.limit).execute()
}

export function newestLine(db: Reader, subject: string): Promise<JournalLine | undefined> {
  return db
    .selectFrom('journal')
    .selectAll()
    .where('subject', '=', subject)
    .orderBy('seq', 'desc')
    .limit(1)
    .executeTakeFirst()
}

/** Walks the whole chain, with a turn for the event loop between pages. `broken` is the number of the first line that does not follow. */
export async function verifyJournal(
  db: Reader,
): Promise<{ lines: number; head: string; broken?: number }> {
  let lines = 0
  let head = ''
  for (;;) {
    const page = await readJournal(db, { after: lines, limit: 1_000 })
    for (const line of page) {
      const { hash, ...body } = line
      if (line.seq !== lines + 1 || line.prev !== head || lineHash(body) !== hash)
        return { lines, head, broken: lines + 1 }
      lines = line.seq
      head = hash
    }
    if (page.length < 1_000) return { lines, head }
    await turn()
  }
}

function lineHash(line: Omit<JournalLine, 'hash'>): string {
  const { seq, at, actor, action, subject, before, after, prev } = line
  return createHash('sha256')
    .update(JSON.stringify([seq, at, actor, action, subject, before, after, prev]))
    .digest('hex')
}
