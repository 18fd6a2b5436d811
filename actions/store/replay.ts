/** Stored alerts read again, oldest first, and how things stood before them: for who judges them anew. */
import { Kysely, sql } from 'kysely'
import type { Outcome } from '../decide/verdict.ts'
import { type Decision, decisionsById } from './decisions.ts'
import { preparedIn } from './prepared.ts'
import { openSqliteReader } from './sqlite.ts'
import type { Reader } from './store.ts'
import type { Tables } from './tables.ts'

/** From `since` on, before `until`, by when they were received; epoch milliseconds. */
export type Span = { since: number; until: number }

export type ReplayRow = {
  row: number
  received: number
  /** JSON of the Alert up to the vendor's own record, which is most of it: cut off, without the closing brace. */
  head: string
  facts: string | null
  /** The decision that it led to, and what that says; null where it is gone. */
  decision: string
  outcome: Outcome | null
  rule: string | null
  target: string | null
  length_ms: number | null
  /** What a rule on trial would have done. */
  would: Outcome | null
}

/** Rows read at once; between them the reader holds nothing that the writer would have to keep. */
const pageSize = 1_000

/** The file that a store reads, for a connection of one's own; empty for a store in memory. */
export async function databaseFile(db: Reader): Promise<string> {
  const { rows } = await sql<{ name: string; file: string }>`pragma database_list`.execute(db)
  return rows.find(({ name }) => name === 'main')?.file ?? ''
}

/** A connection that only reads, for another thread. */
export function openReplayReader(file: string): Reader {
  return new Kysely<Tables>({ dialect: openSqliteReader(file) })
}

export async function countAlertsIn(db: Reader, { since, until }: Span): Promise<number> {
  const row = await db
    .selectFrom('alerts')
    .select(sql<number>`count(*)`.as('n'))
    .where('received', '>=', since)
    .where('received', '<', until)
    .executeTakeFirst()
  return row?.n ?? 0
}

/** Page by page, in the order in which they were received and stored. */
export async function* readAlertsIn(
  db: Reader,
  { since, until }: Span,
): AsyncGenerator<ReplayRow[]> {
  let last: { row: number; received: number } | undefined
  for (;;) {
    const rows: ReplayRow[] = last === undefined ? [] : await readSame(db, last)
    if (rows.length < pageSize)
      rows.push(...(await readNext(db, last?.received ?? since - 1, until, pageSize - rows.length)))
    if (rows.length === 0) return
    last = rows.at(-1)
    yield rows
  }
}

/**
 * No text inside a string of JSON reads like the key, for quotes are escaped there; and in no other object of an
 * alert may there be such a key.
 */
const columns = sql`a.rowid as row, a.received,
  substr(a.body, 1, instr(a.body, ',"original":"') - 1) as head, a.facts, a.decision, d.outcome, d.rule, d.target,
  d.length_ms,
  case when d.outcome = 'watch' and d.rule is not null then json_extract(d.verdict, '$.would') end as would
  from alerts a left join decisions d on d.id = a.decision`

/** The rest of those that were received at the same moment: the index is by moment, and then by row. */
async function readSame(db: Reader, { row, received }: { row: number; received: number }) {
  const { rows } = await sql<ReplayRow>`select ${columns}
    where a.received = ${received} and a.rowid > ${row} order by a.rowid limit ${pageSize}`.execute(
    db,
  )
  return rows
}

async function readNext(db: Reader, after: number, until: number, limit: number) {
  const { rows } = await sql<ReplayRow>`select ${columns}
    where a.received > ${after} and a.received < ${until}
    order by a.received, a.rowid limit ${limit}`.execute(db)
  return rows
}

/** Blocks that were in force at that moment, and questions that waited, of which those before `asked` are left out. */
export async function standingAt(db: Reader, at: number, asked: number): Promise<Decision[]> {
  const { rows } = await sql<{ id: string }>`
    select id from decisions
      where issued is not null and issued < ${at} and coalesce(ended, not_after) > ${at}
        and action <> 'allow'
    union
    select id from decisions
      where created >= ${asked} and created < ${at} and outcome = 'review'
        and coalesce(issued, ended, ${at + 1}) > ${at}`.execute(db)
  const decisions: Decision[] = []
  for (let from = 0; from < rows.length; from += pageSize) {
    const ids = rows.slice(from, from + pageSize).map(({ id }) => id)
    for (const decision of (await decisionsById(db, ids)).values())
      decisions.push(asOf(decision, at))
  }
  return decisions
}

/** When the policy made its blocks of a stretch of time. */
export async function blocksMadeIn(db: Reader, { since, until }: Span): Promise<number[]> {
  const rows = await db
    .selectFrom('decisions')
    .select('created')
    .where('created', '>', since)
    .where('created', '<', until)
    .where('issued', 'is not', null)
    .where('origin', '=', 'policy')
    .orderBy('created')
    .execute()
  return rows.map(({ created }) => created)
}

/** Blocks of these offenders that had begun by then. */
export async function offencesBefore(
  db: Reader,
  offenders: readonly string[],
  at: number,
): Promise<Map<string, number>> {
  const rows = await selectBegun(db, offenders)
  const counts = new Map<string, number>()
  for (const { offender, issued } of rows)
    if (offender !== null && issued !== null && issued < at)
      counts.set(offender, (counts.get(offender) ?? 0) + 1)
  return counts
}

const selectBegun = preparedIn((db, offenders) =>
  db
    .selectFrom('decisions')
    .select(['offender', 'issued'])
    .where('offender', 'in', offenders)
    .where('issued', 'is not', null),
)

/** What somebody did to a decision of the policy, with the signature of an alert behind it. */
export type Answered = {
  id: string
  outcome: Outcome
  state: Decision['state']
  rule: string | null
  target: string
  issued: number | null
  end_reason: Decision['endReason']
  actor: string
  source: string
  signature: string
  attacker: string | null
}

/** Oldest first; of decisions that were made in this span. */
export async function answeredIn(db: Reader, { since, until }: Span): Promise<Answered[]> {
  const { rows } = await sql<Answered>`
    select d.id, d.outcome, d.state, d.rule, d.target, d.issued, d.end_reason, d.actor,
        a.source, a.rule as signature, a.attacker
      from decisions d join alerts a on a.rowid = (select min(rowid) from alerts where decision = d.id)
      where d.created >= ${since} and d.created < ${until} and d.origin = 'policy' and d.actor is not null
      order by d.created, d.id`.execute(db)
  return rows
}

/** Reasons of decisions as JSON, by id. */
export async function reasonsOf(db: Reader, ids: readonly string[]): Promise<Map<string, string>> {
  const rows = await selectVerdicts(db, ids)
  return new Map(rows.map(({ id, verdict }) => [id, verdict]))
}

const selectVerdicts = preparedIn((db, ids) =>
  db.selectFrom('decisions').select(['id', 'verdict']).where('id', 'in', ids),
)

/** A decision as it stood then, as far as that is known: what prolonged it later is not told apart. */
function asOf(decision: Decision, at: number): Decision {
  const held = decision.issued !== null && decision.issued < at
  const open = { ended: null, endReason: null }
  // Nobody asks a block for its reasons, and there may be a hundred thousand of them.
  return held
    ? { ...decision, ...open, state: 'issued', reasons: [] }
    : { ...decision, ...open, state: 'waiting', issued: null, notAfter: null }
}
