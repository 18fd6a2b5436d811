/** What is kept one value a name, or one a key of a kind: the epoch, places, what audiences were told. Not the facts of an alert. */
import type { Reader, Writer } from './store.ts'

export async function readFact(db: Reader | Writer, name: string): Promise<string | undefined> {
  const row = await db
    .selectFrom('facts')
    .select('value')
    .where('name', '=', name)
    .executeTakeFirst()
  return row?.value
}

export async function putFact(tx: Writer, name: string, value: string): Promise<void> {
  await tx
    .insertInto('facts')
    .values({ name, value })
    .onConflict((conflict) => conflict.column('name').doUpdateSet({ value }))
    .execute()
}

export function readFactOf(
  db: Reader | Writer,
  kind: string,
  key: string,
): Promise<string | undefined> {
  return readFact(db, nameOf(kind, key))
}

export function putFactOf(tx: Writer, kind: string, key: string, value: string): Promise<void> {
  return putFact(tx, nameOf(kind, key), value)
}

/** All values of the kind, in the order of their keys. */
export async function factsOf(db: Reader | Writer, kind: string): Promise<string[]> {
  const rows = await db
    .selectFrom('facts')
    .select('value')
    .where('name', '>=', nameOf(kind, ''))
    .where('name', '<', behind(kind))
    .orderBy('name')
    .execute()
  return rows.map(({ value }) => value)
}

/** All of the kind but these keys go. */
export async function pruneFacts(
  tx: Writer,
  kind: string,
  needed: ReadonlySet<string>,
): Promise<void> {
  const rows = await tx
    .selectFrom('facts')
    .select('name')
    .where('name', '>=', nameOf(kind, ''))
    .where('name', '<', behind(kind))
    .execute()
  for (const { name } of rows)
    if (!needed.has(name.slice(nameOf(kind, '').length)))
      await tx.deleteFrom('facts').where('name', '=', name).execute()
}

function nameOf(kind: string, key: string): string {
  return `${kind} ${key}`
}

/** The first name behind all of the kind: the exclamation mark follows the space. */
function behind(kind: string): string {
  return `${kind}!`
}
