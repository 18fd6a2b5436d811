/** One-time links by which a person answers: only the hash of each is kept. */
import type { Selectable } from 'kysely'
import type { Reader, Writer } from './store.ts'
import type { Tables } from './tables.ts'

export type Link = Selectable<Tables['links']>

export async function putLinks(tx: Writer, links: readonly Link[]): Promise<void> {
  if (links.length > 0) await tx.insertInto('links').values(links).execute()
}

export function findLink(db: Reader | Writer, secretHash: string): Promise<Link | undefined> {
  return db.selectFrom('links').selectAll().where('secret', '=', secretHash).executeTakeFirst()
}

/** All links of a decision die when somebody has answered, by whichever way. */
export async function closeLinks(tx: Writer, decision: string, now: number): Promise<void> {
  await tx
    .updateTable('links')
    .set({ closed: now })
    .where('decision', '=', decision)
    .where('closed', 'is', null)
    .execute()
}

/** Those that ended before the time: nobody has to be told any more why they do nothing. */
export async function removeLinks(tx: Writer, before: number): Promise<void> {
  await tx.deleteFrom('links').where('expires', '<', before).execute()
}
