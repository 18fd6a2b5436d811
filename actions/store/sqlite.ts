/** SQLite under Kysely: the only file that knows `node:sqlite`. */
import { DatabaseSync, type SQLInputValue } from 'node:sqlite'
import { SqliteAdapter, SqliteDialect, type SqliteStatement } from 'kysely'
import { Problem } from '#contract/problem.ts'
import type { Writing } from './store.ts'

/** Prepared statements kept per connection; multi-row inserts come in many shapes, so not all fit. */
const keptStatements = 256

/**
 * Rows that are written before the log is brought into the database, about 10 ms, when nobody waits. What was written
 * again and again meanwhile is brought once: the more at once, the less in all.
 */
const dueRows = 2_000
/** Pages of the log from which SQLite does so within a commit, because somebody always waited. */
const mostPages = 8_000

/**
 * WAL with full synchronisation: a commit that returned is on the disk. Throws `store_unavailable` for a file that
 * is locked, is no database, or cannot be written.
 */
export function openSqlite(path: string): Writing & { dialect: SqliteDialect } {
  const database = connect(path, false)
  const written = database.prepare('select total_changes() as rows')
  let durable = true
  let broughtIn = 0
  return {
    dialect: dialectOf(database, 'begin immediate'),
    setDurability: (wanted) => {
      if (wanted === durable) return
      durable = wanted
      database.exec(`pragma synchronous = ${durable ? 'full' : 'normal'}`)
    },
    quiet: () => {
      const rows = database.isOpen ? Number(written.get()?.rows) : 0
      if (rows - broughtIn < dueRows) return
      broughtIn = rows
      bringIn(database)
    },
  }
}

function bringIn(database: DatabaseSync): void {
  try {
    database.exec('pragma wal_checkpoint(passive)')
  } catch {
    // It stays in the log, where it is as safe; the next commit says what is wrong with the disk.
  }
}

/** A second connection that only reads, and is never in the way of the writer. */
export function openSqliteReader(path: string): SqliteDialect {
  return dialectOf(connect(path, true), 'begin')
}

const nothingRun = { changes: 0, lastInsertRowid: 0 }

/** A writer takes the lock at once, for which SQLite waits; for the step from reading to writing it does not. */
type Begin = 'begin' | 'begin immediate'

function dialectOf(database: DatabaseSync, begin: Begin): SqliteDialect {
  const kept = new Map<string, SqliteStatement>()
  const prepare = (text: string): SqliteStatement => {
    const known = kept.get(text)
    if (known) return known
    const statement = explained(() => prepareStatement(database, text === 'begin' ? begin : text))
    if (kept.size >= keptStatements) kept.delete(kept.keys().next().value ?? '')
    kept.set(text, statement)
    return statement
  }
  return new Dialect({ database: { close: () => database.close(), prepare } })
}

/** SQLite undoes changes of the shape like any other: a migration that was cut off has not begun. */
class Dialect extends SqliteDialect {
  override createAdapter(): SqliteAdapter {
    return new Adapter()
  }
}

class Adapter extends SqliteAdapter {
  override get supportsTransactionalDdl(): boolean {
    return true
  }
}

function prepareStatement(database: DatabaseSync, text: string): SqliteStatement {
  const statement = database.prepare(text)
  // A full disk makes SQLite undo the transaction itself; to fail at undoing it again would hide the reason.
  const undone = () => text === 'rollback' && !database.isTransaction
  return {
    reader: statement.columns().length > 0,
    all: (values) => explained(() => statement.all(...bind(values))),
    run: (values) => (undone() ? nothingRun : explained(() => statement.run(...bind(values)))),
    iterate: (values) => statement.iterate(...bind(values)),
  }
}

function connect(path: string, readOnly: boolean): DatabaseSync {
  return explained(() => {
    const database = new DatabaseSync(path, { timeout: 2_000, readOnly })
    if (readOnly) return database
    database.exec('pragma journal_mode = wal; pragma synchronous = full; pragma foreign_keys = on')
    database.exec(`pragma wal_autocheckpoint = ${mostPages}`)
    // What a statement of many rows changes is kept until it is done, to undo it alone: not in a file made for it.
    database.exec('pragma temp_store = memory')
    return database
  })
}

function bind(values: readonly unknown[]): readonly SQLInputValue[] {
  if (values.every(isStored)) return values
  throw new TypeError(`${typeof values.find((value) => !isStored(value))} is not stored as it is`)
}

function isStored(value: unknown): value is SQLInputValue {
  if (value === null || typeof value === 'string' || typeof value === 'number') return true
  return typeof value === 'bigint' || value instanceof Uint8Array
}

// SQLite primary result codes (sqlite.org/rescode.html).
const remedies: Record<number, [what: string, remedy: string]> = {
  5: ['is locked by another process', 'stop the other service that uses this data directory'],
  6: ['is locked by another process', 'stop the other service that uses this data directory'],
  8: ['cannot be written', 'check the owner and mode of the data directory'],
  10: ['cannot be read or written', 'check the disk; nothing that was acknowledged is lost'],
  11: ['is damaged', 'restore the last backup; the nodes go on enforcing meanwhile'],
  13: [
    'has no room: the disk is full',
    'free some space; alerts are refused, not lost, until then',
  ],
  14: ['cannot be opened', 'check that the data directory exists and belongs to this user'],
  26: ['is no SQLite database', 'restore the last backup, or move the file away to start anew'],
}

/** What SQLite says as a Problem with what to do about it. */
export function explained<T>(work: () => T): T {
  try {
    return work()
  } catch (error) {
    const code = error instanceof Error && 'errcode' in error ? Number(error.errcode) & 0xff : -1
    const known = remedies[code]
    if (!known) throw error
    throw new Problem('store_unavailable', `the store ${known[0]}`, {
      remedy: known[1],
      cause: error,
    })
  }
}
