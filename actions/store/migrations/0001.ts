/** First shape of the store. Never edited after release; the next change is 0002. */
import { type Kysely, sql } from 'kysely'

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of statements) await sql.raw(statement).execute(db)
}

const statements = [
  `create table alerts (
     id text primary key, source text not null, observed bigint not null, received bigint not null,
     attacker text, offender text, rule text not null, severity integer not null, "user" text, port integer,
     count integer not null, decision text not null, body text not null)`,
  'create index alerts_by_offender on alerts (offender, observed)',
  'create index alerts_by_decision on alerts (decision)',
  'create index alerts_by_received on alerts (received)',
  `create table decisions (
     id text primary key, state text not null, outcome text not null, origin text not null,
     rule text, target text, offender text, direction text, audience text not null,
     length_ms bigint, created bigint not null, issued bigint, not_after bigint, ended bigint,
     end_reason text, actor text, note text, verdict text not null, alerts integer not null)`,
  'create index decisions_by_target on decisions (target)',
  'create index decisions_by_offender on decisions (offender) where issued is not null',
  "create index decisions_in_force on decisions (not_after, id) where state in ('issued', 'applied')",
  "create index decisions_waiting on decisions (created) where state = 'waiting'",
  'create index decisions_by_created on decisions (created, id)',
  `create table claims (
     audience text not null, decision text not null, target text not null,
     not_after bigint not null, action text not null, primary key (audience, decision))`,
  'create index claims_by_end on claims (not_after)',
  `create table heads (
     audience text primary key, epoch integer not null, seq bigint not null, hash text not null)
     without rowid`,
  `create table envelopes (
     audience text not null, epoch integer not null, seq bigint not null, hash text not null,
     jws text not null, created bigint not null, primary key (audience, epoch, seq))`,
  `create table receipts (
     decision text not null, node text not null, status text not null, at bigint not null,
     code text, detail text, audience text not null, epoch integer not null, seq bigint not null,
     primary key (decision, node)) without rowid`,
  `create table nodes (
     name text primary key, groups text not null, key text not null, enrolled bigint not null,
     revoked bigint, last_seen bigint, heartbeat text)`,
  `create table enrolments (
     secret text primary key, groups text not null, created bigint not null,
     expires bigint not null, used bigint, node text)`,
  `create table tokens (
     id text primary key, secret text not null unique, name text not null, scopes text not null,
     created bigint not null, expires bigint, revoked bigint)`,
  `create table journal (
     seq integer primary key, at bigint not null, actor text not null, action text not null,
     subject text not null, before text, after text, prev text not null, hash text not null)`,
  'create index journal_by_subject on journal (subject)',
  'create table cursors (source text primary key, cursor text not null, updated bigint not null)',
  'create table facts (name text primary key, value text not null)',
]
