/** What the first of two people has said about a decision, until the second does. */
import { z } from 'zod'
import type { Reader, Writer } from './store.ts'

const Audiences = z.array(z.string())

export type Approval = {
  decision: string
  verb: 'approve' | 'extend'
  actor: string
  reason: string
  lengthMs: number
  audience: string[]
  created: number
}

export async function findApproval(
  db: Reader | Writer,
  decision: string,
): Promise<Approval | undefined> {
  return (await approvalsOf(db, [decision])).get(decision)
}

export async function approvalsOf(
  db: Reader | Writer,
  decisions: readonly string[],
): Promise<Map<string, Approval>> {
  if (decisions.length === 0) return new Map()
  const rows = await db
    .selectFrom('approvals')
    .selectAll()
    .where('decision', 'in', decisions)
    .execute()
  return new Map(
    rows.map(({ length_ms: lengthMs, audience, ...row }) => [
      row.decision,
      { ...row, lengthMs, audience: Audiences.parse(JSON.parse(audience)) },
    ]),
  )
}

/** One a decision: it replaces what was there. */
export async function putApproval(tx: Writer, approval: Approval): Promise<void> {
  const { lengthMs: length_ms, audience, ...rest } = approval
  const row = { ...rest, length_ms, audience: JSON.stringify(audience) }
  await tx
    .insertInto('approvals')
    .values(row)
    .onConflict((conflict) => conflict.column('decision').doUpdateSet(row))
    .execute()
}

/** False when there was none. */
export async function dropApproval(tx: Writer, decision: string): Promise<boolean> {
  const result = await tx
    .deleteFrom('approvals')
    .where('decision', '=', decision)
    .executeTakeFirst()
  return result.numDeletedRows > 0n
}

/** What can be agreed to no more, since the decision is over. */
export async function removeIdleApprovals(tx: Writer): Promise<void> {
  await tx
    .deleteFrom('approvals')
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('decisions')
            .select('id')
            .whereRef('decisions.id', '=', 'approvals.decision')
            .where('state', 'in', ['waiting', 'issued', 'applied']),
        ),
      ),
    )
    .execute()
}
