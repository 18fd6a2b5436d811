/** Alerts that wait for what providers will say, and provisional blocks that wait to be confirmed. */
import { z } from 'zod'
import { Alert } from '#contract/alert.ts'
import { preparedIn } from './prepared.ts'
import type { Reader, Writer } from './store.ts'

export type Pending = {
  alert: Alert
  /** The decision that it will be, or is. */
  decision: string
  providers: readonly string[]
  /** Set when the decision is made, and a block for a short time. */
  provisional?: { rule: string; lengthMs: number }
}

const Providers = z.array(z.string())

/** What waits already is asked about anew. */
export async function putPending(tx: Writer, pending: readonly Pending[]): Promise<void> {
  for (const { alert, decision, providers, provisional } of pending) {
    const fresh = {
      decision,
      providers: JSON.stringify(providers),
      statement: provisional ? null : (alert.statement ?? null),
      body: provisional ? null : JSON.stringify(alert),
      rule: provisional?.rule ?? null,
      length_ms: provisional?.lengthMs ?? null,
    }
    await tx
      .insertInto('pending')
      .values({ alert: alert.id, received: Date.parse(alert.received), ...fresh })
      .onConflict((conflict) => conflict.column('alert').doUpdateSet(fresh))
      .execute()
  }
}

/** Returns how many of them waited. */
export async function dropPending(tx: Writer, alerts: readonly string[]): Promise<number> {
  let dropped = 0
  for (let i = 0; i < alerts.length; i += 500) {
    const { numDeletedRows } = await tx
      .deleteFrom('pending')
      .where('alert', 'in', alerts.slice(i, i + 500))
      .executeTakeFirst()
    dropped += Number(numDeletedRows)
  }
  return dropped
}

/** The decision that each will be, for those of these alerts that wait to be judged. */
export async function pendingAmong(
  db: Reader | Writer,
  ids: readonly string[],
): Promise<Map<string, string>> {
  const rows = await selectPending(db, ids)
  return new Map(rows.map(({ alert, decision }) => [alert, decision]))
}

const selectPending = preparedIn((db, ids) =>
  db
    .selectFrom('pending')
    .select(['alert', 'decision'])
    .where('alert', 'in', ids)
    .where('body', 'is not', null),
)

/** All that waits, oldest first: what a start-up takes up again. */
export async function listPending(db: Reader): Promise<Pending[]> {
  const rows = await db
    .selectFrom('pending')
    .leftJoin('alerts', 'alerts.id', 'pending.alert')
    .select(['pending.decision', 'pending.providers', 'pending.rule', 'pending.length_ms'])
    .select((row) => row.fn.coalesce('pending.body', 'alerts.body').as('body'))
    .orderBy('pending.received')
    .execute()
  return rows.flatMap(({ body, decision, providers, rule, length_ms }) => {
    if (body === null) return []
    const provisional =
      rule !== null && length_ms !== null ? { provisional: { rule, lengthMs: length_ms } } : {}
    return [
      {
        alert: Alert.parse(JSON.parse(body)),
        decision,
        providers: Providers.parse(JSON.parse(providers)),
        ...provisional,
      },
    ]
  })
}
