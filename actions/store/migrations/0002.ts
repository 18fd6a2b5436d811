/** Judgement: what was known when an alert was judged, what waits for a fact, and what people said. */
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db)
}

const statements = [
  'alter table alerts add column facts text',
  'alter table alerts add column victim text',
  'alter table alerts add column statement text',
  'alter table alerts add column withdrawn bigint',
  'create index alerts_by_statement on alerts (statement) where statement is not null',
  `create table pending (
     alert text primary key, received bigint not null, decision text not null, providers text not null,
     statement text, body text, rule text, length_ms bigint)`,
  'create index pending_by_statement on pending (statement) where statement is not null',
  `create table intelligence (
     provider text not null, address text not null, asked bigint not null, answer text not null,
     primary key (provider, address)) without rowid`,
  'create index intelligence_by_asked on intelligence (asked)',
  `create table ignored (
     id text primary key, target text, signature text, until bigint not null, actor text not null,
     reason text not null, created bigint not null)`,
  `create table sheltered (
     address text primary key, why text not null, actor text not null, created bigint not null)`,
  `create table notice_dead_letters (
     id text primary key, channel text not null, created bigint not null, tries integer not null,
     problem text not null, notices text not null)`,
  'create index notice_dead_letters_by_channel on notice_dead_letters (channel, created)',
  `create table approvals (
     decision text primary key, verb text not null, actor text not null, reason text not null,
     length_ms bigint not null, audience text not null, created bigint not null)`,
  `create table links (
     secret text primary key, decision text not null, verb text not null, expires bigint not null,
     closed bigint)`,
  'create index links_by_decision on links (decision)',
  'create index links_by_end on links (expires)',
  `create table proposals (
     id text primary key, decision text, kind text not null, summary text not null, diff text not null,
     actor text not null, reason text not null, created bigint not null)`,
]
