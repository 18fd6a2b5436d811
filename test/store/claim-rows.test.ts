/** Claims of a store of before are the same state afterwards: the same rows, in the same order, to the byte. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { Kysely } from 'kysely'
import { Migrator } from 'kysely/migration'
import type { BlockAction, StandingAction } from '#contract/action.ts'
import { printRow } from '#contract/row.ts'
import * as first from '../../actions/store/migrations/0001.ts'
import * as second from '../../actions/store/migrations/0002.ts'
import * as third from '../../actions/store/migrations/0003.ts'
import * as fourth from '../../actions/store/migrations/0004.ts'
import * as fifth from '../../actions/store/migrations/0005.ts'
import { claimPages, dropEndedClaims, putClaims } from '../../actions/store/outbox.ts'
import { openSqlite, openSqliteReader } from '../../actions/store/sqlite.ts'
import { openStore, type Store } from '../../actions/store/store.ts'
import { claimsOf, textOf } from '../claims.ts'

const before = { '0001': first, '0002': second, '0003': third, '0004': fourth, '0005': fifth }

const plain: BlockAction = {
  action: 'block',
  decision: idOf(1),
  target: '203.0.113.7',
  direction: 'in',
  issued: 1_772_326_923_456,
  not_after: 1_772_330_523_456,
  reason: 'brute force',
}
const { action: _, ...unnamed } = plain
const rate = { packets: 5, per: 'second', burst: 10 } as const

/** As they were written: what is done comes first, or anywhere. */
const kinds: readonly StandingAction[] = [
  plain,
  { ...unnamed, action: 'block' },
  { ...plain, response: 'reject' },
  { ...plain, direction: 'both', interface: 'ppp*', protocol: 'tcp', ports: ['22', '8000-8100'] },
  { ...plain, direction: 'forward', peer: '192.0.2.0/24', peer_interface: 'eth1' },
  { ...plain, target: '2001:db8::/64', direction: 'out', reason: '' },
  { action: 'allow', ...unnamed, protocol: 'udp' },
  { action: 'allow', ...unnamed },
  { action: 'limit', rate, ...unnamed },
]

test('a state of before is the same chunk afterwards, whatever it orders and whatever the reason says', async (t) => {
  const reason = fc.string({ unit: 'binary', maxLength: 40 })
  const orders = fc.array(fc.tuple(fc.constantFrom(...kinds), reason, fc.nat(2 ** 48)), {
    minLength: 1,
    maxLength: 100,
  })
  await fc.assert(
    fc.asyncProperty(orders, async (drawn) => {
      const given = drawn.map(([kind, reason, later], n) => ({
        ...kind,
        decision: idOf(n),
        reason,
        not_after: kind.not_after + later,
      }))
      const store = await fromBefore(t, given)
      const pages = await Array.fromAsync(claimPages(store.read, 'all', 0))
      await store.close()
      assert.deepEqual(
        pages.map(({ chunk }) => textOf(chunk)),
        [`[${given.map(printRow)}]`],
      )
    }),
    { numRuns: 10 },
  )
})

test('what comes after it replaces, follows and ends what a store of before held', async (t) => {
  const of = (n: number, end: number) => ({ ...plain, decision: idOf(n), not_after: end })
  const store = await fromBefore(t, [of(3, 30), of(1, 10), of(2, 20)])
  await store.write(async (tx) => {
    await putClaims(tx, 'all', [of(4, 40), of(3, 35)])
    await putClaims(tx, 'group/web', [of(1, 50)])
    assert.equal(await dropEndedClaims(tx, 10, 100), 1)
  })
  const held = await claimsOf(store.read, 'all', 0)
  await store.close()
  assert.deepEqual(held, [of(3, 35), of(2, 20), of(4, 40)])
})

test('a change of the shape that cannot be finished has changed nothing, and is made at a later start', async (t) => {
  const path = directory(t)
  await makeBefore(path, [plain, { ...plain, decision: idOf(2) }])
  const damaged = change(path, "update claims set action = 'x' || action where rowid = 2")
  const shape = shapeOf(path)
  await assert.rejects(open(path), /malformed JSON/)
  assert.deepEqual([shapeOf(path), change(path, '')], [shape, damaged])
  change(path, 'update claims set action = substr(action, 2) where rowid = 2')
  const store = await open(path)
  assert.equal((await claimsOf(store.read, 'all', 0)).length, 2)
  await store.close()
})

async function fromBefore(t: TestContext, orders: readonly StandingAction[]): Promise<Store> {
  const path = directory(t)
  await makeBefore(path, orders)
  return open(path)
}

/** A store whose last start was by a version that kept the whole action. */
async function makeBefore(path: string, orders: readonly StandingAction[]): Promise<void> {
  const db = new Kysely<unknown>({ dialect: openSqlite(path).dialect })
  const { error } = await new Migrator({
    db,
    provider: { getMigrations: async () => before },
  }).migrateToLatest()
  await db.destroy()
  assert.equal(error, undefined)
  const database = new DatabaseSync(path)
  const insert = database.prepare('insert into claims values (?, ?, ?, ?, ?)')
  for (const order of orders)
    insert.run('all', order.decision, order.target, order.not_after, JSON.stringify(order))
  database.close()
}

/** The claims after it. */
function change(path: string, statement: string): unknown {
  const database = new DatabaseSync(path)
  database.exec(statement)
  const claims = database.prepare('select * from claims').all()
  database.close()
  return claims
}

function shapeOf(path: string): unknown {
  const database = new DatabaseSync(path)
  const shape = database.prepare('select type, name, sql from sqlite_schema').all()
  database.close()
  return shape
}

function open(path: string): Promise<Store> {
  return openStore(openSqlite(path), () => openSqliteReader(path))
}

function directory(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'cordon-store-'))
  t.after(() => rmSync(dir, { recursive: true, force: true }))
  return join(dir, 'cordon.db')
}

function idOf(n: number): string {
  return `d-${n.toString().padStart(16, '0')}`
}
