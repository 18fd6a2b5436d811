/** Results: the words of nodes in the order in which they came, until every sink has taken them. */
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db)
}

const statements = [
  `create table receipt_words (
     number integer primary key autoincrement, decision text not null, node text not null,
     status text not null, at bigint not null, heard bigint not null, code text, detail text,
     audience text not null, epoch integer not null, seq bigint not null)`,
]
