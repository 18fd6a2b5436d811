/** Queries that are compiled once: they say the same as if they were built anew for each list. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { prepared, preparedIn, preparedList, type Slots } from '../../actions/store/prepared.ts'
import { openSqlite } from '../../actions/store/sqlite.ts'
import { openStore, type Store } from '../../actions/store/store.ts'

type Cursor = { source: string; cursor: string; updated: number }

const insert = preparedList((db, rows: readonly Slots<Cursor>[]) =>
  db.insertInto('cursors').values(rows),
)
const selectAmong = preparedIn((db, sources) =>
  db.selectFrom('cursors').selectAll().where('updated', '>', 0).where('source', 'in', sources),
)
const move = prepared((db, { source, cursor }: Slots<Omit<Cursor, 'updated'>>) =>
  db.updateTable('cursors').set({ cursor }).where('source', '=', source),
)

test('a list of any length is stored whole, and is found again whole and nothing besides', async (t) => {
  const store = await open(t)
  for (const length of [0, 1, 2, 4, 5, 6, 24, 25, 31, 99, 100, 101, 131, 260]) {
    const rows = Array.from({ length }, (_, n) => row(`${length}-${n}`, n + 1))
    await store.write((tx) => insert(tx, rows))
    const found = await selectAmong(
      store.read,
      rows.map(({ source }) => source),
    )
    assert.deepEqual(inOrder(found), rows, `${length} rows`)
  }
})

test('each run has its own values, whichever came first and on whichever connection', async (t) => {
  for (const store of [await open(t), await open(t)]) {
    await store.write((tx) => insert(tx, [row('a', 1), row('b', 2), row('c', 0)]))
    await store.write((tx) => move(tx, { source: 'b', cursor: 'moved' }))
    await store.write((tx) => move(tx, { cursor: 'moved too', source: 'a' }))
    const found = await selectAmong(store.read, ['a', 'b', 'c'])
    assert.deepEqual(inOrder(found), [
      { ...row('a', 1), cursor: 'moved too' },
      { ...row('b', 2), cursor: 'moved' },
    ])
  }
})

test('a run whose values are not all there is refused, and stores nothing', async (t) => {
  const store = await open(t)
  await store.write((tx) => insert(tx, [row('a', 1)]))
  const { updated: _, ...lacking } = row('b', 2)
  // @ts-expect-error: what the types refuse must not become a null either.
  const missing = store.write((tx) => insert(tx, [lacking]))
  await assert.rejects(missing, TypeError)
  assert.equal((await selectAmong(store.read, ['b'])).length, 0)
})

function row(source: string, updated: number): Cursor {
  return { source, cursor: `at ${source}`, updated }
}

/** The rows of a database have no order, and no prototype. */
function inOrder(found: readonly Cursor[]): Cursor[] {
  return found.map((each) => ({ ...each })).sort((a, b) => a.updated - b.updated)
}

async function open(t: TestContext): Promise<Store> {
  const store = await openStore(openSqlite(':memory:'))
  t.after(() => store.close())
  return store
}
