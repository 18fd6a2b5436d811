/** The store: what a commit promises, and what is said when the file or the disk is not as it should be. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  mkdtempSync,
  openSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { describe, type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Problem } from '#contract/problem.ts'
import { putSourceCursor, readSourceCursor } from '../../actions/store/cursors.ts'
import { appendJournal, verifyJournal } from '../../actions/store/journal.ts'
import { openSqlite, openSqliteReader } from '../../actions/store/sqlite.ts'
import { openStore, type Store } from '../../actions/store/store.ts'
import { openTestService, record } from '../service.ts'
import type { FullDisk } from './full-disk.ts'

describe('the store', () => {
  test('is brought to its newest shape at every start, and a second start changes nothing', async (t) => {
    const { path, reopen } = directory(t)
    const first = await reopen()
    await first.write((tx) => putSourceCursor(tx, 'a', '1', 0))
    await first.close()
    const shape = schemaOf(path)
    const second = await reopen()
    assert.equal(await readSourceCursor(second.read, 'a'), '1')
    await second.close()
    assert.deepEqual(schemaOf(path), shape)
  })

  test('never mixes the transactions of two callers', async (t) => {
    const store = await directory(t).reopen()
    const order: string[] = []
    await Promise.all(
      ['a', 'b', 'c'].map((name) =>
        store.write(async (tx) => {
          for (let n = 0; n < 3; n++) {
            order.push(name)
            await putSourceCursor(tx, name, String(n), 0)
            await new Promise(setImmediate)
          }
        }),
      ),
    )
    assert.equal(order.join(''), 'aaabbbccc')
    await store.close()
  })

  test('is seen as it was for as long as somebody looks, and what is written meanwhile waits for nothing', async (t) => {
    const store = await directory(t).reopen()
    await store.write((tx) => putSourceCursor(tx, 'a', 'before', 0))
    const seen = await store.view(async (db) => {
      const first = await readSourceCursor(db, 'a')
      await store.write((tx) => putSourceCursor(tx, 'a', 'meanwhile', 0))
      assert.equal(await readSourceCursor(store.read, 'a'), 'meanwhile')
      return [first, await readSourceCursor(db, 'a')]
    })
    assert.deepEqual(seen, ['before', 'before'])
    assert.equal(await store.view((db) => readSourceCursor(db, 'a')), 'meanwhile')
    await store.close()
  })

  test('brings what was written into its file when nobody waits, and only when it is much', async (t) => {
    const { path, reopen } = directory(t)
    const store = await reopen()
    const write = (names: number) =>
      store.write(async (tx) => {
        for (let n = 0; n < names; n++) await putSourceCursor(tx, `${names}-${n}`, 'c', 0)
      })
    const quiet = async () => {
      for (let turns = 0; turns < 3; turns++) await new Promise(setImmediate)
    }
    await write(100)
    await quiet()
    const small = statSync(path).size
    await write(2_000)
    assert.equal(statSync(path).size, small)
    await quiet()
    assert.ok(statSync(path).size > small)
    await store.close()
  })

  test('holds nothing of a job that failed, alone or among others that did not', async (t) => {
    const store = await directory(t).reopen()
    const good = (name: string) => store.write((tx) => putSourceCursor(tx, name, 'good', 0))
    const bad = (name: string) =>
      store.write(async (tx) => {
        await putSourceCursor(tx, name, 'bad', 0)
        throw new Problem('conflict', 'not this one')
      })
    await assert.rejects(bad('alone'), { code: 'conflict' })
    const results = await Promise.allSettled([good('a'), bad('b'), good('c'), bad('d'), good('e')])
    assert.deepEqual(
      results.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled', 'rejected', 'fulfilled'],
    )
    const rows = await store.read.selectFrom('cursors').select('source').orderBy('source').execute()
    assert.deepEqual(
      rows.map(({ source }) => source),
      ['a', 'c', 'e'],
    )
    await store.close()
  })

  test('answers every job also when the commit that they share fails', async (t) => {
    const { path, reopen } = directory(t)
    const store = await reopen()
    const breakIt = new DatabaseSync(path)
    breakIt.exec(
      `create trigger full before insert on cursors when new.source = 'b' begin select raise(rollback, 'gone'); end`,
    )
    breakIt.close()
    const jobs = ['x', 'a', 'b', 'c'].map((name) =>
      store.write((tx) => putSourceCursor(tx, name, '1', 0)),
    )
    const results = await Promise.allSettled(jobs)
    assert.equal(results[0]?.status, 'fulfilled')
    assert.ok(results.slice(1).every(({ status }) => status === 'rejected'))
    await store.write((tx) => putSourceCursor(tx, 'later', '1', 0))
    assert.equal(await readSourceCursor(store.read, 'a'), undefined)
    assert.equal(await readSourceCursor(store.read, 'later'), '1')
    await store.close()
  })
})

describe('a database that cannot be used is said to be so, with what to do, when', () => {
  test('another process holds it locked', async (t) => {
    const { path, reopen } = directory(t)
    await (await reopen()).close()
    const other = new DatabaseSync(path)
    other.exec('pragma locking_mode = exclusive; begin exclusive')
    await unavailable(reopen(), /stop the other service/)
    other.close()
    await (await reopen()).close()
  })

  test('another process takes the lock while the service runs, and it works again afterwards', async (t) => {
    const { path, reopen } = directory(t)
    const store = await reopen()
    const other = new DatabaseSync(path)
    other.exec('begin immediate')
    await unavailable(
      store.write((tx) => putSourceCursor(tx, 'a', '1', 0)),
      /stop the other service/,
    )
    other.close()
    await store.write((tx) => putSourceCursor(tx, 'a', '2', 0))
    assert.equal(await readSourceCursor(store.read, 'a'), '2')
    await store.close()
  })

  test('it is no database', async (t) => {
    const { path, reopen } = directory(t)
    writeFileSync(path, 'this is a text and no database, however long it is. '.repeat(100))
    await unavailable(reopen(), /restore the last backup/)
  })

  test('it is damaged', async (t) => {
    const { path, reopen } = directory(t)
    const store = await reopen()
    await store.write(async (tx) => {
      for (let n = 0; n < 2_000; n++) await putSourceCursor(tx, `source ${n}`, 'x'.repeat(200), 0)
    })
    await store.close()
    const file = openSync(path, 'r+')
    const { size } = statSync(path)
    for (let at = 4_096; at < size; at += 4_096)
      writeSync(file, Buffer.alloc(4_000, 0xa5), 0, 4_000, at)
    await unavailable(
      (async () => {
        const again = await reopen()
        await again.read.selectFrom('cursors').selectAll().execute()
      })(),
      /restore the last backup/,
    )
  })

  test('its directory is not there', async (t) => {
    const { dir } = directory(t)
    await unavailable(
      (async () => openStore(openSqlite(join(dir, 'no', 'cordon.db'))))(),
      /data directory/,
    )
  })

  test('it may not be written', async (t) => {
    const { path, reopen } = directory(t)
    await (await reopen()).close()
    if (process.getuid?.() === 0) return t.skip('root may write everything')
    chmodSync(path, 0o400)
    await unavailable(reopen(), /owner and mode/)
  })

  test('it has no room: alerts are refused, nothing acknowledged is lost, and it works again when there is', (t) => {
    if (process.getuid?.() !== 0) return t.skip('a disk of its own needs root')
    const script = fileURLToPath(new URL('./full-disk.ts', import.meta.url))
    const ran = spawnSync('unshare', ['--mount', process.execPath, script], {
      env: { ...process.env, CORDON_TEST_FULL_DISK: '1' },
      encoding: 'utf8',
      timeout: 60_000,
    })
    assert.equal(ran.status, 0, ran.stderr)
    const told = JSON.parse(ran.stdout) as FullDisk
    assert.deepEqual([told.refusal.status, told.refusal.code], [503, 'store_unavailable'])
    assert.match(told.refusal.remedy ?? '', /free some space/)
    assert.ok(told.acknowledged > 10)
    assert.equal(told.held, told.acknowledged)
    assert.equal(told.unknown, 0)
    assert.equal(told.afterwards, 200)
    assert.equal(told.journal, true)
  })
})

describe('a service whose store is locked', () => {
  test('refuses alerts with 503 and when to come again, and takes them later', async (t) => {
    const service = await openTestService({ onDisk: true })
    t.after(() => service.close())
    const other = new DatabaseSync(join(service.dir, 'cordon.db'))
    other.exec('begin immediate')
    const refused = await service.alert(record('203.0.113.7', { id: 'same' }))
    assert.deepEqual([refused.status, refused.body.code], [503, 'store_unavailable'])
    assert.equal(refused.headers.get('retry-after'), '1')
    const ready = await service.ask('GET', '/readyz', { token: null })
    assert.equal(ready.status, 503)
    other.close()
    service.clock.now += 1_000
    const taken = await service.alert(record('203.0.113.7', { id: 'same' }))
    assert.equal(taken.body.stored, 1)
    assert.equal((await service.ask('GET', '/readyz', { token: null })).status, 200)
  })
})

describe('the journal', () => {
  test('is whole as it was written, of one line or of many', async (t) => {
    const store = await journal(t, 0)
    assert.deepEqual(await verifyJournal(store.read), { lines: 0, head: '' })
    await write(store, 2_500)
    const { lines, broken } = await verifyJournal(store.read)
    assert.deepEqual([lines, broken], [2_500, undefined])
  })

  test('shows the first line that was changed, in any of its fields', async (t) => {
    const store = await journal(t, 10)
    for (const change of [
      { actor: 'nobody' },
      { at: 7 },
      { subject: 'x' },
      { after: '{}' },
      { before: '1' },
      { hash: 'f'.repeat(64) },
    ]) {
      const whole = await store.read
        .selectFrom('journal')
        .selectAll()
        .where('seq', '=', 4)
        .executeTakeFirstOrThrow()
      await store.write((tx) =>
        tx.updateTable('journal').set(change).where('seq', '=', 4).execute(),
      )
      assert.equal((await verifyJournal(store.read)).broken, 4, JSON.stringify(change))
      await store.write((tx) => tx.updateTable('journal').set(whole).where('seq', '=', 4).execute())
    }
    assert.equal((await verifyJournal(store.read)).broken, undefined)
  })

  test('shows where a line was taken out', async (t) => {
    const store = await journal(t, 10)
    await store.write((tx) => tx.deleteFrom('journal').where('seq', '=', 6).execute())
    assert.equal((await verifyJournal(store.read)).broken, 6)
  })

  test('shows where a line was taken out and the others moved up', async (t) => {
    const store = await journal(t, 10)
    await store.write(async (tx) => {
      await tx.deleteFrom('journal').where('seq', '=', 6).execute()
      for (let seq = 7; seq <= 10; seq++)
        await tx
          .updateTable('journal')
          .set({ seq: seq - 1 })
          .where('seq', '=', seq)
          .execute()
    })
    assert.equal((await verifyJournal(store.read)).broken, 6)
  })

  test('shows where two lines were swapped', async (t) => {
    const store = await journal(t, 10)
    await store.write(async (tx) => {
      await tx.updateTable('journal').set({ seq: 99 }).where('seq', '=', 3).execute()
      await tx.updateTable('journal').set({ seq: 3 }).where('seq', '=', 5).execute()
      await tx.updateTable('journal').set({ seq: 5 }).where('seq', '=', 99).execute()
    })
    assert.equal((await verifyJournal(store.read)).broken, 3)
  })
})

function directory(t: TestContext) {
  const dir = mkdtempSync(join(tmpdir(), 'cordon-store-'))
  t.after(() => rmSync(dir, { recursive: true, force: true }))
  const path = join(dir, 'cordon.db')
  return {
    dir,
    path,
    reopen: async () => openStore(openSqlite(path), () => openSqliteReader(path)),
  }
}

async function journal(t: TestContext, lines: number): Promise<Store> {
  const store = await openStore(openSqlite(':memory:'))
  t.after(() => store.close())
  await write(store, lines)
  return store
}

function write(store: Store, lines: number): Promise<void> {
  const entries = Array.from({ length: lines }, (_, n) => ({
    at: n,
    actor: 'service',
    action: 'test.write',
    subject: `s${n}`,
    after: { n },
  }))
  return store.write((tx) => appendJournal(tx, entries))
}

function schemaOf(path: string): unknown[] {
  const database = new DatabaseSync(path)
  const rows = database.prepare('select name, sql from sqlite_master order by name').all()
  const migrations = database.prepare('select name, timestamp from kysely_migration').all()
  database.close()
  return [...rows, ...migrations]
}

async function unavailable(work: Promise<unknown>, remedy: RegExp): Promise<void> {
  await assert.rejects(work, (error) => {
    assert.ok(error instanceof Problem, String(error))
    assert.equal(error.code, 'store_unavailable', String(error.cause))
    assert.match(error.remedy ?? '', remedy)
    return true
  })
}
