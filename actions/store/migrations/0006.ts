/** Claims as the rows that the chunks of a snapshot are made of, and in their order. */
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db)
}

/** What has a place of its own in a row, in order. What else an action says follows as an object, if it says more. */
const placed = ['decision', 'target', 'direction', 'issued', 'not_after', 'reason']
const places = placed.map((name) => `(action -> '$.${name}')`).join(` || ',' || `)
const others = `json_remove(action, ${placed.map((name) => `'$.${name}'`).join(', ')})`
const more = `iif(action ->> '$.action' = 'block', json_remove(${others}, '$.action'), ${others})`

/** The indexes come last: filled at once they cost a small part of what they cost row by row. */
const statements = [
  `create table claim_rows (
     number integer primary key, audience text not null, decision text not null,
     target text not null, not_after bigint not null, row text not null)`,
  `insert into claim_rows
     select rowid, audience, decision, target, not_after,
       '[' || ${places} || coalesce(',' || nullif(${more}, '{}'), '') || ']'
     from claims order by rowid`,
  'drop table claims',
  'alter table claim_rows rename to claims',
  'create unique index claims_by_decision on claims (audience, decision)',
  'create index claims_by_end on claims (not_after)',
  'create index claims_in_order on claims (audience, number)',
]
