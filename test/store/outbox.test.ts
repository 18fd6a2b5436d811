/** What the nodes are to enforce, as it is kept: how long, and for whom. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { BlockAction } from '#contract/action.ts'
import { chunkSize } from '#contract/snapshot.ts'
import {
  anyEndedClaim,
  claimPages,
  dropClaims,
  dropEndedClaims,
  insertEnvelope,
  pruneEnvelopes,
  putClaims,
  readHead,
} from '../../actions/store/outbox.ts'
import { openSqlite } from '../../actions/store/sqlite.ts'
import { openStore, type Store } from '../../actions/store/store.ts'
import { claimsOf, ordersIn, textOf } from '../claims.ts'

test('envelopes of age go from each sequence, the younger stay, and its head stays where it is', async (t) => {
  const store = await open(t)
  const made: [audience: string, created: number[]][] = [
    ['all', [10, 20, 30, 40]],
    ['group/old', [10, 20]],
    ['group/young', [30, 31]],
  ]
  for (const [audience, times] of made)
    for (const [index, created] of times.entries()) await add(store, audience, index + 1, created)
  await store.write((tx) => pruneEnvelopes(tx, 30, 1_000))
  const left = await store.read
    .selectFrom('envelopes')
    .select(['audience', 'seq'])
    .orderBy('audience')
    .orderBy('seq')
    .execute()
  assert.deepEqual(
    left.map(({ audience, seq }) => `${audience} ${seq}`),
    ['all 3', 'all 4', 'group/young 1', 'group/young 2'],
  )
  assert.equal((await readHead(store.read, 'group/old')).seq, 2)
})

test('a day of envelopes goes in steps, each of which says whether there are more', async (t) => {
  const store = await open(t)
  for (let seq = 1; seq <= 5; seq++) await add(store, 'all', seq, seq * 10)
  const step = () => store.write((tx) => pruneEnvelopes(tx, 45, 2))
  assert.deepEqual([await step(), await step(), await step()], [true, true, false])
  const left = await store.read.selectFrom('envelopes').select('seq').execute()
  assert.deepEqual(
    left.map(({ seq }) => seq),
    [5],
  )
})

test('a claim is dropped from the audience that is named, and stays with the others', async (t) => {
  const store = await open(t)
  await store.write(async (tx) => {
    for (const audience of ['all', 'group/web'])
      await putClaims(tx, audience, [block('d-0000000000000001'), block('d-0000000000000002')])
    await dropClaims(tx, 'all', ['d-0000000000000001'])
  })
  const held = async (audience: string) =>
    (await claimsOf(store.read, audience, 0)).map(({ decision }) => decision)
  assert.deepEqual(await held('all'), ['d-0000000000000002'])
  assert.equal((await held('group/web')).length, 2)
})

test('of many claims each comes once, in full pages and in the order of their issue, whatever lies between them, and none that has ended', async (t) => {
  const store = await open(t)
  const id = (n: number) => `d-${n.toString().padStart(16, '0')}`
  // Not in the order in which they are found by name.
  const numbers = Array.from({ length: 7_001 }, (_, n) => (n * 3_989) % 7_001)
  await store.note(async (tx) => {
    for (const n of numbers)
      await putClaims(tx, n % 7 === 0 ? 'group/web' : 'all', [block(id(n), n)])
  })
  const pages = await Array.fromAsync(claimPages(store.read, 'all', 500))
  const expected = numbers.filter((n) => n % 7 !== 0 && n > 500).map(id)
  for (const { chunk, count } of pages)
    assert.deepEqual(
      ordersIn(textOf(chunk)).map(({ decision }) => decision),
      expected.splice(0, count),
    )
  assert.deepEqual(
    pages.map(({ count }) => count),
    [chunkSize, 571],
  )
  assert.deepEqual(expected, [])
})

test('claims that have ended go in steps, and none that has not', async (t) => {
  const store = await open(t)
  const ends = [10, 20, 30, 40]
  await store.write((tx) =>
    putClaims(
      tx,
      'all',
      ends.map((end) => block(`d-00000000000000${end}`, end)),
    ),
  )
  const steps = [await anyEndedClaim(store.read, 9)]
  for (let more = true; more; steps.push(more))
    more = (await store.write((tx) => dropEndedClaims(tx, 30, 2))) === 2
  assert.deepEqual(steps, [false, true, false])
  assert.equal(await anyEndedClaim(store.read, 39), false)
  assert.deepEqual(
    (await claimsOf(store.read, 'all', 0)).map(({ not_after }) => not_after),
    [40],
  )
})

function add(store: Store, audience: string, seq: number, created: number): Promise<void> {
  const place = { audience, epoch: 1, seq, hash: `${audience} ${seq}` }
  return store.write((tx) => insertEnvelope(tx, { ...place, jws: 'signed', created }))
}

function block(decision: string, not_after = 3_600_000): BlockAction {
  const target = '203.0.113.7'
  const times = { issued: 1, not_after }
  return { action: 'block', decision, target, direction: 'in', ...times, reason: 'test' }
}

async function open(t: TestContext): Promise<Store> {
  const store = await openStore(openSqlite(':memory:'))
  t.after(() => store.close())
  return store
}
