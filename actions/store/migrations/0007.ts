/** Questions are found in their order without a look at all decisions, which SQLite took for less work than sorting few. */
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db)
}

const statements = [
  'drop index decisions_waiting',
  "create index decisions_waiting on decisions (created, id) where state = 'waiting'",
]
