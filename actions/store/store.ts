/** Opens the store. Readers never wait; all writes go through one queue, so that transactions do not mix. */
import { type Dialect, Kysely, type Transaction } from 'kysely'
import { Migrator } from 'kysely/migration'
import * as first from './migrations/0001.ts'
import type { Tables } from './tables.ts'

export type Reader = Kysely<Tables>
export type Writer = Transaction<Tables>

export type Store = {
  read: Reader
  /**
   * Runs the job in one transaction, after all that were asked before. Resolves after the commit is on the disk;
   * rejects, with nothing written, when the job or the commit fails.
   */
  write<T>(job: (tx: Writer) => Promise<T>): Promise<T>
  close(): Promise<void>
}

/** Migrates forward first. `reading` may be a second connection; without it reads share the writer's. */
export async function openStore(writing: Dialect, reading?: () => Dialect): Promise<Store> {
  const writer = new Kysely<Tables>({ dialect: writing })
  await migrate(writer)
  const read = reading ? new Kysely<Tables>({ dialect: reading() }) : writer
  let last: Promise<unknown> = Promise.resolve()
  return {
    read,
    write: (job) => {
      const mine = last.then(() => writer.transaction().execute(job))
      last = mine.catch(() => {})
      return mine
    },
    close: async () => {
      await last
      if (read !== writer) await read.destroy()
      await writer.destroy()
    },
  }
}

async function migrate(db: Kysely<Tables>): Promise<void> {
  const migrator = new Migrator({
    db,
    provider: { getMigrations: async () => ({ '0001': first }) },
  })
  const { error } = await migrator.migrateToLatest()
  if (error) throw error
}
