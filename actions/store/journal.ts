/** The hash-chained record of every change: each line's hash covers the line and the hash before it. */
import { hash } from 'node:crypto'
import { setImmediate as turn } from 'node:timers/promises'
import { type Selectable, sql } from 'kysely'
import { prepared, preparedList, type Slots } from './prepared.ts'
import type { Reader, Writer } from './store.ts'
import type { Tables } from './tables.ts'

export type JournalEntry = {
  at: number
  /** `policy`, `clock`, `service`, `node/<name>`, `token/<name>`, or `link/<decision>` for who had a link. */
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
  const [last] = await selectLast(tx, {})
  let seq = last?.seq ?? 0
  let prev = last?.hash ?? ''
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
  await insertLines(tx, lines)
}

const selectLast = prepared((db) =>
  db.selectFrom('journal').select(['seq', 'hash']).orderBy('seq', 'desc').limit(sql.lit(1)),
)
const insertLines = preparedList((db, lines: readonly Slots<JournalLine>[]) =>
  db.insertInto('journal').values(lines),
)

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

export type Verified = {
  /** Lines that follow from one another. */
  lines: number
  head: string
  /** The first line that is there, when retention has let earlier ones go. */
  from?: number
  /** The first line that does not follow. */
  broken?: number
}

/**
 * Walks the whole chain, with a turn for the event loop between pages. Lines may be missing at the beginning only as far
 * as a later line of the chain, the anchor, says that they were let go, with the hash of the last of them.
 */
export async function verifyJournal(db: Reader): Promise<Verified> {
  for (;;) {
    const [first] = await readJournal(db, { after: 0, limit: 1 })
    const found = await walk(db, first)
    if (found.broken === undefined) return found
    // Lines that were let go during the walk are no fault: it begins again behind them.
    const [now] = await readJournal(db, { after: 0, limit: 1 })
    if (now?.seq === first?.seq) return found
  }
}

async function walk(db: Reader, first: JournalLine | undefined): Promise<Verified> {
  const start = { seq: (first?.seq ?? 1) - 1, hash: first?.prev ?? '' }
  let anchored = start.seq === 0 && start.hash === ''
  let { seq, hash: head } = start
  const found = () => ({
    lines: seq - start.seq,
    head,
    ...(start.seq > 0 && { from: start.seq + 1 }),
  })
  for (;;) {
    const page = await readJournal(db, { after: seq, limit: 1_000 })
    for (const line of page) {
      const { hash, ...body } = line
      if (line.seq !== seq + 1 || line.prev !== head || lineHash(body) !== hash)
        return { ...found(), broken: seq + 1 }
      const anchor = readAnchor(line)
      if (anchor && anchor.through >= start.seq) {
        if (!(await holds(db, anchor, line))) return { ...found(), broken: line.seq }
        anchored = true
      }
      seq = line.seq
      head = hash
    }
    if (page.length < 1_000)
      return anchored ? found() : { lines: 0, head: '', broken: start.seq + 1 }
    await turn()
  }
}

/** What a line `journal.prune` says: lines up to `through` may be gone, and the hash of that one was this. */
export type Anchor = { through: number; hash: string }

export function readAnchor({ action, after }: JournalLine): Anchor | undefined {
  if (action !== 'journal.prune' || after === null) return undefined
  const said: unknown = JSON.parse(after)
  if (typeof said !== 'object' || said === null) return undefined
  if (!('through' in said) || !('hash' in said)) return undefined
  const { through, hash } = said
  return typeof through === 'number' && typeof hash === 'string' ? { through, hash } : undefined
}

/** The line after the last that may be gone, which stays, has its hash. */
async function holds(db: Reader, { through, hash }: Anchor, line: JournalLine): Promise<boolean> {
  if (through >= line.seq) return false
  const [next] = await readJournal(db, { after: through, limit: 1 })
  return next?.seq === through + 1 && next.prev === hash
}

function lineHash(line: Omit<JournalLine, 'hash'>): string {
  const { seq, at, actor, action, subject, before, after, prev } = line
  const text = JSON.stringify([seq, at, actor, action, subject, before, after, prev])
  return hash('sha256', text, 'hex')
}
