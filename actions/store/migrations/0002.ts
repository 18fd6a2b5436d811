/** Judgement: what was known when an alert was judged, what waits for a fact, and what people said. */
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db)
}

const statements = [
  'alter table alerts add column facts text',
  `create table pending (
     alert text primary key, received bigint not null, body text not null, decision text not null)`,
  `create table intelligence (
     provider text not null, address text not null, asked bigint not null, answer text not null,
     primary key (provider, address)) without rowid`,
  'create index intelligence_by_asked on intelligence (asked)',
]
