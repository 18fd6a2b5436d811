/** What a decision does to which traffic comes out of the store as it went in, also from a store of before. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { type Kysely, sql } from 'kysely'
import { type Decision, findDecision, insertDecisions } from '../../actions/store/decisions.ts'
import { hitsOf, putHits } from '../../actions/store/hits.ts'
import { allowing, peered } from '../../actions/store/in-force.ts'
import * as fourth from '../../actions/store/migrations/0004.ts'
import { removeDecisions } from '../../actions/store/retention.ts'
import { rolloutsDue } from '../../actions/store/rollouts.ts'
import { openSqlite } from '../../actions/store/sqlite.ts'
import { openStore, type Store } from '../../actions/store/store.ts'
import { waiting } from '../notice/stage.ts'

const now = Date.UTC(2026, 2, 1, 3, 0, 0)

test('measure, scope and roll-out of a decision are read as they were written', async (t) => {
  const store = await open(t)
  const written: Decision[] = [
    { ...waiting, id: `d-${'1'.repeat(16)}` },
    {
      ...waiting,
      id: `d-${'2'.repeat(16)}`,
      measure: { action: 'block', response: 'reject' },
      scope: { interface: 'ppp*', protocol: 'tcp', ports: ['22', '8000-8100'] },
    },
    {
      ...waiting,
      id: `d-${'3'.repeat(16)}`,
      measure: { action: 'limit', rate: { packets: 1, per: 'hour', burst: 2 } },
      rollout: { audience: ['all'], nodes: ['a'], began: now, due: now + 1 },
    },
    {
      ...waiting,
      id: `d-${'4'.repeat(16)}`,
      direction: 'forward_from',
      scope: { interface: 'eth0', peer: '192.0.2.10', peer_interface: 'ppp*' },
    },
    {
      ...waiting,
      id: `d-${'5'.repeat(16)}`,
      direction: 'forward_to',
      scope: { peer: '192.0.2.0/24' },
    },
  ]
  await store.write((tx) => insertDecisions(tx, written))
  for (const decision of written)
    assert.deepEqual(await findDecision(store.read, decision.id), decision)
})

test('a decision of before is a plain block', async (t) => {
  const store = await open(t)
  await store.write(async (tx) => {
    await insertDecisions(tx, [waiting])
    for (const index of ['decisions_allowing', 'decisions_in_rollout', 'decisions_with_peer'])
      await tx.schema.dropIndex(index).execute()
    for (const column of ['action', 'scope', 'response', 'rate', 'rollout', 'rollout_due'])
      await tx.schema.alterTable('decisions').dropColumn(column).execute()
    await tx.schema.dropTable('hits').execute()
    await fourth.up(tx as unknown as Kysely<unknown>)
  })
  assert.deepEqual(await findDecision(store.read, waiting.id), waiting)
})

test('what nodes stopped by a decision goes with it', async (t) => {
  const store = await open(t)
  const left = await store.write(async (tx) => {
    await insertDecisions(tx, [waiting])
    await putHits(tx, 'web-01', [{ decision: waiting.id, packets: 3, last: now }])
    assert.deepEqual((await hitsOf(tx, [waiting.id])).get(waiting.id), { packets: 3, last: now })
    await removeDecisions(tx, [waiting.id])
    return hitsOf(tx, [waiting.id])
  })
  assert.equal(left.size, 0)
})

test('what is allowed, and what is tried on a few nodes, is found without a look at all decisions', async (t) => {
  const store = await open(t)
  const inForce = { ...waiting, state: 'issued', issued: now, notAfter: now + 1_000 } as const
  const allow: Decision = { ...inForce, id: `d-${'1'.repeat(16)}`, measure: { action: 'allow' } }
  const tried: Decision = {
    ...inForce,
    id: `d-${'2'.repeat(16)}`,
    rollout: { audience: ['all'], nodes: ['a'], began: now, due: now + 10 },
  }
  await store.write((tx) => insertDecisions(tx, [inForce, allow, tried]))
  assert.deepEqual(
    (await allowing(store.read, now)).map(({ id }) => id),
    [allow.id],
  )
  assert.deepEqual(await allowing(store.read, now + 1_000), [])
  assert.deepEqual(await rolloutsDue(store.read, now + 9, 10), [])
  assert.deepEqual(await rolloutsDue(store.read, now + 10, 10), [tried.id])
})

test('what names a peer is found without a look at all decisions, as long as it is in force', async (t) => {
  const store = await open(t)
  const inForce = { ...waiting, state: 'applied', issued: now, notAfter: now + 1_000 } as const
  const pair = { ...inForce, id: `d-${'1'.repeat(16)}`, scope: { peer: '192.0.2.10' } }
  const side = {
    ...inForce,
    id: `d-${'2'.repeat(16)}`,
    direction: 'forward',
    scope: { peer_interface: 'eth1' },
  } as const
  const asked = { ...waiting, id: `d-${'3'.repeat(16)}`, scope: { peer: '192.0.2.10' } }
  await store.write((tx) => insertDecisions(tx, [inForce, pair, side, asked]))
  assert.deepEqual(
    (await peered(store.read, now)).map(({ id }) => id),
    [pair.id],
  )
  assert.deepEqual(await peered(store.read, now + 1_000), [])
  const { rows } = await sql<{ detail: string }>`explain query plan
    select * from decisions
    where instr(scope, '"peer":') > 0 and state in ('issued', 'applied') and not_after > 0`.execute(
    store.read,
  )
  assert.match(rows.map(({ detail }) => detail).join(), /using index decisions_with_peer/i)
})

async function open(t: TestContext): Promise<Store> {
  const store = await openStore(openSqlite(':memory:'))
  t.after(() => store.close())
  return store
}
