/** What was seen of one attacker, or of all that are counted as one network. */
import { type Address, widen } from '#contract/address.ts'
import type { KnownAlert } from '#contract/knowledge.ts'
import type { Reader } from './store.ts'

/** Newest first. The index is by offender, which is the attacker or one of the networks around it. */
export async function attackerAlerts(
  db: Reader,
  attacker: Address,
  span: { since: number; limit: number },
): Promise<KnownAlert[]> {
  const { text } = attacker
  const around = Array.from(
    { length: attacker.prefix + 1 },
    (_, prefix) => widen(attacker, prefix).text,
  )
  const rows = await db
    .selectFrom('alerts')
    .select(['observed', 'source', 'rule', 'count'])
    .where('offender', 'in', around)
    .where((row) => row.or([row('attacker', '=', text), row('offender', '=', text)]))
    .where('observed', '>=', span.since)
    .orderBy('observed', 'desc')
    .limit(span.limit)
    .execute()
  return rows.map(({ observed, ...rest }) => ({ at: observed, ...rest }))
}
