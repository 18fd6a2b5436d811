/** Opens the store. Readers never wait; all writes go through one queue, so that transactions do not mix. */
import { setImmediate as turn } from 'node:timers/promises'
import { type Dialect, Kysely, sql, type Transaction } from 'kysely'
import { Migrator } from 'kysely/migration'
import * as first from './migrations/0001.ts'
import * as second from './migrations/0002.ts'
import * as third from './migrations/0003.ts'
import * as fourth from './migrations/0004.ts'
import * as fifth from './migrations/0005.ts'
import * as sixth from './migrations/0006.ts'
import * as seventh from './migrations/0007.ts'
import type { Tables } from './tables.ts'

export type Reader = Kysely<Tables>
export type Writer = Transaction<Tables>

export type Store = {
  read: Reader
  /**
   * Runs the job in a transaction, after all that were asked before; jobs that wait together share one commit.
   * Resolves when the commit is on the disk; rejects, with nothing of this job written, when it or the commit fails.
   */
  write<T>(job: (tx: Writer) => Promise<T>): Promise<T>
  /**
   * The same for what may be lost when the machine (not the process) dies within moments, such as the word of a node that
   * says it again: it does not wait for the disk, which on most disks is all that a small commit costs.
   */
  note<T>(job: (tx: Writer) => Promise<T>): Promise<T>
  /**
   * Runs the job on the store as it is now, whatever is written meanwhile; nobody waits for it. What it reads is on the disk.
   * Where there is no second connection it is a job among the others.
   */
  view<T>(job: (db: Reader) => Promise<T>): Promise<T>
  /** Called after every commit; it must neither take long nor throw. */
  onCommit(listener: () => void): void
  close(): Promise<void>
}

/** The connection of all writes. Its functions are called between transactions only. */
export type Writing = {
  dialect: Dialect
  /** How it commits: `durable` waits for the disk. */
  setDurability(durable: boolean): void
  /** Nobody waits: now is the time for what has to be done now and then. Never throws. */
  quiet(): void
}

type Job = {
  durable: boolean
  run: (tx: Writer) => Promise<void>
  done: () => void
  failed: (error: unknown) => void
}

/** Migrates forward first. `reading` opens further connections; without it reads share the writer's. */
export async function openStore(writing: Writing, reading?: () => Dialect): Promise<Store> {
  const writer = new Kysely<Tables>({ dialect: writing.dialect })
  await migrate(writer)
  const read = reading ? new Kysely<Tables>({ dialect: reading() }) : writer
  const listeners: (() => void)[] = []
  const committed = () => {
    for (const listener of listeners) listener()
  }
  const queue = openQueue(writer, writing, committed)
  return {
    read,
    write: (job) => queue.add(true, job),
    note: (job) => queue.add(false, job),
    view: (job) => (reading ? view(reading(), job) : queue.add(false, job)),
    onCommit: (listener) => void listeners.push(listener),
    close: async () => {
      await queue.add(false, async () => {})
      if (read !== writer) await read.destroy()
      await writer.destroy()
    },
  }
}

/** Its connection is its own: on another one every other question would wait for it, or be answered from the past. */
async function view<T>(dialect: Dialect, job: (db: Reader) => Promise<T>): Promise<T> {
  const db = new Kysely<Tables>({ dialect })
  try {
    return await db.transaction().execute(job)
  } finally {
    await db.destroy()
  }
}

function openQueue(writer: Kysely<Tables>, writing: Writing, committed: () => void) {
  let waiting: Job[] = []
  let busy = false
  const rest = () => {
    if (!busy) writing.quiet()
  }
  const work = async () => {
    busy = true
    while (waiting.length > 0) {
      const jobs = waiting
      waiting = []
      await commit(writer, jobs, writing.setDurability)
      committed()
      // SQLite answers without ever giving the event loop a turn; who waits for nothing must not wait for a backlog.
      if (waiting.length > 0) await turn()
    }
    busy = false
    // Who waited for the commit goes first: nodes and senders hear of it before this.
    setImmediate(rest)
  }
  return {
    add: <T>(durable: boolean, job: (tx: Writer) => Promise<T>) =>
      new Promise<T>((resolve, reject) => {
        let result: T
        const run = async (tx: Writer) => {
          result = await job(tx)
        }
        waiting.push({ durable, run, done: () => resolve(result), failed: reject })
        if (!busy) void work()
      }),
  }
}

/** Never rejects: each job hears of its own failure, and of the commit's. */
async function commit(
  writer: Kysely<Tables>,
  jobs: readonly Job[],
  setDurability: Writing['setDurability'],
): Promise<void> {
  const well: Job[] = []
  try {
    setDurability(jobs.some(({ durable }) => durable))
    await writer.transaction().execute(async (tx) => {
      for (const job of jobs) if (await attempt(tx, job, jobs.length > 1)) well.push(job)
    })
    for (const job of well) job.done()
  } catch (error) {
    // A job that failed alone has heard of its own failure, and hears nothing by this.
    for (const job of jobs) job.failed(error)
  }
}

/** A job that shares its transaction and fails is undone alone; one that is by itself takes the transaction with it. */
async function attempt(tx: Writer, job: Job, shares: boolean): Promise<boolean> {
  if (!shares) {
    await job.run(tx)
    return true
  }
  await sql`savepoint job`.execute(tx)
  try {
    await job.run(tx)
  } catch (error) {
    await undo(tx, error)
    job.failed(error)
    return false
  }
  await sql`release job`.execute(tx)
  return true
}

/** A full disk may have undone the whole transaction: then what failed first is what everybody hears. */
async function undo(tx: Writer, cause: unknown): Promise<void> {
  try {
    await sql`rollback to job`.execute(tx)
    await sql`release job`.execute(tx)
  } catch {
    throw cause
  }
}

async function migrate(db: Kysely<Tables>): Promise<void> {
  const migrator = new Migrator({
    db,
    provider: {
      getMigrations: async () => ({
        '0001': first,
        '0002': second,
        '0003': third,
        '0004': fourth,
        '0005': fifth,
        '0006': sixth,
        '0007': seventh,
      }),
    },
  })
  const { error } = await migrator.migrateToLatest()
  if (error) throw error
}
