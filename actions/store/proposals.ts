/** Changes of the policy that people proposed while they answered; the file itself is theirs to change. */
import type { Selectable } from 'kysely'
import type { Reader, Writer } from './store.ts'
import type { Tables } from './tables.ts'

export type Proposal = Selectable<Tables['proposals']>

export async function putProposal(tx: Writer, proposal: Proposal): Promise<void> {
  await tx.insertInto('proposals').values(proposal).execute()
}

/** Oldest first. */
export function listProposals(db: Reader | Writer): Promise<Proposal[]> {
  return db.selectFrom('proposals').selectAll().orderBy('created').orderBy('id').execute()
}

export function findProposal(db: Reader | Writer, id: string): Promise<Proposal | undefined> {
  return db.selectFrom('proposals').selectAll().where('id', '=', id).executeTakeFirst()
}

/** False when there was none. */
export async function dropProposal(tx: Writer, id: string): Promise<boolean> {
  const result = await tx.deleteFrom('proposals').where('id', '=', id).executeTakeFirst()
  return result.numDeletedRows > 0n
}
