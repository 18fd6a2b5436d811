/** Questions are found in the order in which they came, and without a look at all that was ever decided. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { sql } from 'kysely'
import { type Decision, insertDecisions } from '../../actions/store/decisions.ts'
import { listQuestions, questionsUntil } from '../../actions/store/review.ts'
import { openSqlite } from '../../actions/store/sqlite.ts'
import { openStore, type Store } from '../../actions/store/store.ts'
import { waiting } from '../notice/stage.ts'

const now = Date.UTC(2026, 2, 1, 3, 0, 0)

test('questions come oldest first, those of one moment by their names, and only as many as are wanted', async (t) => {
  const store = await open(t)
  const asked = (digit: string, created: number, state: Decision['state'] = 'waiting') => ({
    ...waiting,
    id: `d-${digit.repeat(16)}`,
    created,
    state,
  })
  const all = [
    asked('4', now),
    asked('3', now - 1),
    asked('2', now),
    asked('1', now + 1),
    asked('5', now - 2, 'declined'),
  ]
  await store.write((tx) => insertDecisions(tx, all))
  const names = ['3', '2', '4', '1'].map((digit) => `d-${digit.repeat(16)}`)
  assert.deepEqual(
    (await listQuestions(store.read)).map(({ id }) => id),
    names,
  )
  assert.deepEqual(await questionsUntil(store.read, now, 25), names.slice(0, 3))
  assert.deepEqual(await questionsUntil(store.read, now, 2), names.slice(0, 2))
  assert.deepEqual(await questionsUntil(store.read, now - 2, 25), [])
})

test('what is asked each second is answered by an index of what waits', async (t) => {
  const store = await open(t)
  const { rows } = await sql<{ detail: string }>`explain query plan
    select id from decisions where state = 'waiting' and created <= 5
    order by created, id limit 25`.execute(store.read)
  assert.deepEqual(
    rows.map(({ detail }) => detail),
    ['SEARCH decisions USING COVERING INDEX decisions_waiting (created<?)'],
  )
})

async function open(t: TestContext): Promise<Store> {
  const store = await openStore(openSqlite(':memory:'))
  t.after(() => store.close())
  return store
}
