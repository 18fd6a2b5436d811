/** What is in force within a network, however much is in force besides. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { sql } from 'kysely'
import { readAddress } from '#contract/address.ts'
import { decisionsOn } from '../../actions/flow/decisions-on.ts'
import { type Decision, insertDecisions } from '../../actions/store/decisions.ts'
import { openSqlite } from '../../actions/store/sqlite.ts'
import { openStore } from '../../actions/store/store.ts'

const now = Date.UTC(2026, 2, 1)

test('every block within a network is found, past any page, and none that ended or lies beside it', async (t) => {
  const store = await openStore(openSqlite(':memory:'))
  t.after(() => store.close())
  const decisions = Array.from({ length: 4_500 }, (_, n) =>
    decision(n, `198.51.${n >> 8}.${n & 255}`, now + 1 + (n % 3)),
  )
  const beside = decision(4_500, '198.50.0.1', now + 1)
  const over = decision(4_501, '198.51.0.1', now)
  await store.write((tx) => insertDecisions(tx, [...decisions, beside, over]))
  let turns = 0
  let counting = setImmediate(function again() {
    turns++
    counting = setImmediate(again)
  })
  const { within } = await decisionsOn(store.read, readAddress('198.51.0.0/16'), now)
  clearImmediate(counting)
  assert.deepEqual(
    within.map(({ id }) => id).sort(),
    decisions.map(({ id }) => id),
  )
  assert.ok(turns >= 4, 'the event loop gets a turn between the pages')
})

test('a walk over what is in force reads it in order from its index', async (t) => {
  const store = await openStore(openSqlite(':memory:'))
  t.after(() => store.close())
  const plan = await sql<{ detail: string }>`explain query plan
    select id, target, not_after from decisions where state in ('issued', 'applied')
    and (not_after, id) > (1, 'd') order by not_after, id limit 10`.execute(store.read)
  assert.match(plan.rows[0]?.detail ?? '', /USING INDEX decisions_in_force/)
  assert.equal(plan.rows.length, 1, 'nothing is sorted')
})

function decision(n: number, target: string, notAfter: number): Decision {
  return {
    id: `d-${String(n).padStart(16, '0')}`,
    state: 'issued',
    outcome: 'block',
    origin: 'manual',
    rule: null,
    target,
    offender: null,
    direction: 'in',
    audience: ['all'],
    lengthMs: 1,
    created: now,
    issued: now,
    notAfter,
    ended: null,
    endReason: null,
    actor: null,
    note: null,
    reasons: [],
    would: null,
    alerts: 0,
    measure: { action: 'block' },
    scope: {},
    rollout: null,
  }
}
