/** Alerts as they were received, each with the decision that it led to. */
import { type Selectable, sql } from 'kysely'
import { maybeAddress, widen } from '#contract/address.ts'
import type { Alert } from '#contract/alert.ts'
import { historyLimit, type PastAlert } from '../decide/facts.ts'
import { victimOf } from '../decide/history.ts'
import { prepared, preparedIn, preparedList, type Slots } from './prepared.ts'
import type { Reader, Writer } from './store.ts'
import type { Tables } from './tables.ts'

export type StoredAlert = { alert: Alert; decision: string }

/** Decision by alert id, for those that were stored before. */
export async function knownAlerts(
  tx: Reader | Writer,
  ids: readonly string[],
): Promise<Map<string, string>> {
  const rows = await selectKnown(tx, ids)
  return new Map(rows.map(({ id, decision }) => [id, decision]))
}

const selectKnown = preparedIn((db, ids) =>
  db.selectFrom('alerts').select(['id', 'decision']).where('id', 'in', ids),
)

/** With whom each alert is counted: the attacker, as wide as the policy blocks by default. */
export type NewAlert = StoredAlert & {
  offender: string | null
  /** What sources outside said of it, as JSON. */
  facts: string | null
}

export async function insertAlerts(tx: Writer, alerts: readonly NewAlert[]): Promise<void> {
  await insertRows(tx, alerts.map(toRow))
}

const insertRows = preparedList((db, rows: readonly Slots<Row>[]) =>
  db.insertInto('alerts').values(rows),
)

/** Newest first, at most historyLimit; an alert from the future would take the place of a true one. */
export async function offenderHistory(
  tx: Reader | Writer,
  offender: string,
  span: { since: number; until: number },
): Promise<PastAlert[]> {
  const rows = await selectHistory(tx, { offender, ...span })
  return rows.map((row) => ({
    at: row.observed,
    rule: row.rule,
    count: row.count,
    ...(row.port !== null && { port: row.port }),
    ...(row.user !== null && { user: row.user }),
    ...(row.victim !== null && { victim: row.victim }),
  }))
}

type Spanned = { offender: string; since: number; until: number }
const selectHistory = prepared((db, { offender, since, until }: Slots<Spanned>) =>
  db
    .selectFrom('alerts')
    .select(['observed', 'rule', 'count', 'port', 'user', 'victim'])
    .where('offender', '=', offender)
    .where('observed', '>=', since)
    .where('observed', '<=', until)
    .orderBy('observed', 'desc')
    .limit(sql.lit(historyLimit)),
)

export async function alertsOf(db: Reader, decision: string, limit: number): Promise<Alert[]> {
  const rows = await db
    .selectFrom('alerts')
    .select('body')
    .where('decision', '=', decision)
    .orderBy('observed')
    .limit(limit)
    .execute()
  return rows.map((row) => JSON.parse(row.body) as Alert)
}

export async function findAlert(db: Reader, id: string): Promise<StoredAlert | undefined> {
  const row = await db
    .selectFrom('alerts')
    .select(['body', 'decision'])
    .where('id', '=', id)
    .executeTakeFirst()
  return row && { alert: JSON.parse(row.body) as Alert, decision: row.decision }
}

export async function listAlerts(
  db: Reader,
  filter: { attacker?: string; before?: number; limit: number },
): Promise<StoredAlert[]> {
  let query = db.selectFrom('alerts').select(['body', 'decision'])
  if (filter.attacker !== undefined)
    query = query
      .where('offender', 'in', around(filter.attacker))
      .where('attacker', '=', filter.attacker)
  if (filter.before !== undefined) query = query.where('received', '<', filter.before)
  const rows = await query.orderBy('received', 'desc').limit(filter.limit).execute()
  return rows.map((row) => ({ alert: JSON.parse(row.body) as Alert, decision: row.decision }))
}

/** The index is by offender, which is the attacker or one of the networks around it. */
function around(attacker: string): string[] {
  const address = maybeAddress(attacker)
  if (!address) return [attacker]
  return Array.from({ length: address.prefix + 1 }, (_, prefix) => widen(address, prefix).text)
}

type Row = Omit<Selectable<Tables['alerts']>, 'withdrawn'>

function toRow({ alert, decision, offender, facts }: NewAlert): Row {
  return {
    id: alert.id,
    source: alert.source,
    observed: Date.parse(alert.observed),
    received: Date.parse(alert.received),
    attacker: alert.attacker ?? null,
    offender,
    rule: alert.rule.id,
    severity: alert.rule.severity,
    user: alert.user ?? null,
    port: alert.victim?.port ?? null,
    victim: victimOf(alert) || null,
    count: alert.count,
    decision,
    body: JSON.stringify(alert),
    facts,
    statement: alert.statement ?? null,
  }
}
