/** What people said for good or for a time: whom to ignore, and what never to block. */
import type { Selectable } from 'kysely'
import type { Reader, Writer } from './store.ts'
import type { Tables } from './tables.ts'

export type Ignored = Selectable<Tables['ignored']>
export type Sheltered = Selectable<Tables['sheltered']>

/** What is still ignored now, oldest first. */
export function listIgnored(db: Reader | Writer, now: number): Promise<Ignored[]> {
  return db.selectFrom('ignored').selectAll().where('until', '>', now).orderBy('created').execute()
}

export function listSheltered(db: Reader | Writer): Promise<Sheltered[]> {
  return db.selectFrom('sheltered').selectAll().orderBy('created').execute()
}

export async function putIgnored(tx: Writer, ignored: Ignored): Promise<void> {
  await tx.insertInto('ignored').values(ignored).execute()
}

/** False when there was none. */
export async function dropIgnored(tx: Writer, id: string): Promise<boolean> {
  const result = await tx.deleteFrom('ignored').where('id', '=', id).executeTakeFirst()
  return result.numDeletedRows > 0n
}

/** A second word on the same network replaces the first. */
export async function putSheltered(tx: Writer, sheltered: Sheltered): Promise<void> {
  const { why, actor, created } = sheltered
  await tx
    .insertInto('sheltered')
    .values(sheltered)
    .onConflict((conflict) => conflict.column('address').doUpdateSet({ why, actor, created }))
    .execute()
}

/** False when there was none. */
export async function dropSheltered(tx: Writer, address: string): Promise<boolean> {
  const result = await tx.deleteFrom('sheltered').where('address', '=', address).executeTakeFirst()
  return result.numDeletedRows > 0n
}

export function findIgnored(db: Reader | Writer, id: string): Promise<Ignored | undefined> {
  return db.selectFrom('ignored').selectAll().where('id', '=', id).executeTakeFirst()
}

export function findSheltered(
  db: Reader | Writer,
  address: string,
): Promise<Sheltered | undefined> {
  return db.selectFrom('sheltered').selectAll().where('address', '=', address).executeTakeFirst()
}

/** Those whose time is over. */
export async function dropEndedIgnored(tx: Writer, now: number): Promise<Ignored[]> {
  return tx.deleteFrom('ignored').where('until', '<=', now).returningAll().execute()
}
