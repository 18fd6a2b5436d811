/** Scoped actions: what a decision does to which traffic, hits on the nodes, and blocks that go to a few nodes first. */
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db)
}

const statements = [
  "alter table decisions add column action text not null default 'block'",
  'alter table decisions add column scope text',
  'alter table decisions add column response text',
  'alter table decisions add column rate text',
  'alter table decisions add column rollout text',
  'alter table decisions add column rollout_due bigint',
  `create index decisions_allowing on decisions (not_after)
     where action = 'allow' and state in ('issued', 'applied')`,
  'create index decisions_in_rollout on decisions (rollout_due) where rollout_due is not null',
  `create table hits (
     decision text not null, node text not null, packets bigint not null, last bigint not null,
     primary key (decision, node)) without rowid`,
]
