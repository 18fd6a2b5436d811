/** When something last came from each source. */
import type { Reader } from './store.ts'

/** Epoch milliseconds by source, among the newest alerts: a source that is silent for longer is not looked for. */
export async function lastAlerts(db: Reader, among = 10_000): Promise<Map<string, number>> {
  const rows = await db
    .selectFrom((from) =>
      from
        .selectFrom('alerts')
        .select(['source', 'received'])
        .orderBy('received', 'desc')
        .limit(among)
        .as('newest'),
    )
    .select((of) => ['source', of.fn.max('received').as('last')] as const)
    .groupBy('source')
    .execute()
  return new Map(rows.map(({ source, last }) => [source, last]))
}
