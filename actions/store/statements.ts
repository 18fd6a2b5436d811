/** What sources go on saying by their alerts until they take it back: what of it stands, and what was taken back. */
import { Alert } from '#contract/alert.ts'
import { prepared, preparedIn, type Slots } from './prepared.ts'
import type { Reader, Writer } from './store.ts'

/** Statements in one piece. */
const pieceSize = 500

export type Statement = { source: string; statement: string }

/** Alerts by which the statement was made until then and which stand. */
export async function standingAlerts(
  db: Reader | Writer,
  { source, statement }: Statement,
  attacker: string | undefined,
  until: number,
): Promise<{ id: string; decision: string }[]> {
  const rows = await selectStanding(db, { source, statement, until })
  return attacker === undefined ? rows : rows.filter((row) => row.attacker === attacker)
}

const selectStanding = prepared(
  (db, { source, statement, until }: Slots<Statement & { until: number }>) =>
    db
      .selectFrom('alerts')
      .select(['id', 'decision', 'attacker'])
      .where('statement', '=', statement)
      .where('source', '=', source)
      .where('observed', '<=', until)
      .where('withdrawn', 'is', null),
)

export async function markWithdrawn(
  tx: Writer,
  ids: readonly string[],
  now: number,
): Promise<void> {
  for (const id of ids) await setWithdrawn(tx, { id, withdrawn: now })
}

const setWithdrawn = prepared(
  (db, { id, withdrawn }: Slots<{ id: string; withdrawn: number | null }>) =>
    db.updateTable('alerts').set({ withdrawn }).where('id', '=', id),
)

/** Of these decisions, those that an alert stands behind which was not taken back. */
export async function stillSupported(
  db: Reader | Writer,
  decisions: readonly string[],
): Promise<Set<string>> {
  const rows = await selectSupported(db, decisions)
  return new Set(rows.map(({ decision }) => decision))
}

const selectSupported = preparedIn((db, decisions) =>
  db
    .selectFrom('alerts')
    .select('decision')
    .distinct()
    .where('decision', 'in', decisions)
    .where('withdrawn', 'is', null),
)

/** Alerts by which the statement was made until then and which are not judged yet. */
export async function pendingStatements(
  db: Reader | Writer,
  { source, statement }: Statement,
  attacker: string | undefined,
  until: number,
): Promise<Alert[]> {
  const alerts = (await selectPending(db, { statement })).flatMap(readBody)
  return alerts
    .filter((alert) => alert.source === source)
    .filter((alert) => attacker === undefined || alert.attacker === attacker)
    .filter(({ observed }) => Date.parse(observed) <= until)
}

const selectPending = prepared((db, { statement }: Slots<{ statement: string }>) =>
  db.selectFrom('pending').select('body').where('statement', '=', statement),
)

function readBody({ body }: { body: string | null }): Alert[] {
  return body === null ? [] : [Alert.parse(JSON.parse(body))]
}

/** What waits, is in force, or is not judged yet because this source said so; each once, in pieces. */
export async function* heldStatements(db: Reader, source: string): AsyncGenerator<string[]> {
  for (let after = ''; ; ) {
    const rows = await db
      .selectFrom('alerts')
      .innerJoin('decisions', 'decisions.id', 'alerts.decision')
      .select('alerts.statement')
      .distinct()
      .where('alerts.statement', '>', after)
      .where('alerts.source', '=', source)
      .where('alerts.withdrawn', 'is', null)
      .where('decisions.state', 'in', ['waiting', 'issued', 'applied'])
      .orderBy('alerts.statement')
      .limit(pieceSize)
      .execute()
    const piece = rows.flatMap(({ statement }) => statement ?? [])
    if (piece.length > 0) yield piece
    const last = piece.at(-1)
    if (last === undefined || piece.length < pieceSize) break
    after = last
  }
  const waiting = await db
    .selectFrom('pending')
    .select('body')
    .where('statement', 'is not', null)
    .execute()
  const said = waiting
    .flatMap(readBody)
    .flatMap((alert) => (alert.source === source ? (alert.statement ?? []) : []))
  if (said.length > 0) yield [...new Set(said)]
}
