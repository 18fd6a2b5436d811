/** Retention: what goes when its time is over, what never does, and what stays whole without it. */
import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { expire } from '../../actions/flow/expire.ts'
import { retain, wouldRetain } from '../../actions/flow/retain.ts'
import { RetentionSettings } from '../../actions/retention-settings.ts'
import { appendJournal, verifyJournal } from '../../actions/store/journal.ts'
import { readSpace } from '../../actions/store/retention.ts'
import type { Tables } from '../../actions/store/tables.ts'
import { openTestService, record, type TestService, type TestServiceOptions } from '../service.ts'

const day = 24 * 3_600_000
const settings = RetentionSettings.parse({})

async function open(t: TestContext, options: TestServiceOptions = {}) {
  const service = await openTestService(options)
  t.after(() => service.close())
  return service
}

/** The service's clock goes on by so many days; what has ended by then is ended. */
async function pass(service: TestService, days: number): Promise<void> {
  service.clock.now += days * day
  await expire(service.flow.store, service.clock.now)
}

async function rows(service: TestService, table: keyof Tables): Promise<number> {
  return (await service.flow.store.read.selectFrom(table).selectAll().execute()).length
}

async function send(service: TestService, attacker: string, more: Record<string, unknown> = {}) {
  const answer = await service.alert(record(attacker, more))
  const [one] = answer.body.items[0]?.alerts ?? []
  assert.ok(one, answer.text)
  return one
}

function run(
  service: TestService,
  more: Record<string, string> = {},
  limit = Number.POSITIVE_INFINITY,
) {
  return retain(service.flow.store, RetentionSettings.parse({ ...more }), service.clock.now, {
    limit,
  })
}

describe('alerts', () => {
  test('go when their time is over, and what is younger stays', async (t) => {
    const service = await open(t)
    const first = await send(service, '203.0.113.7')
    const second = await send(service, '203.0.113.7')
    assert.equal(second.decision, first.decision)
    await pass(service, 89)
    assert.equal((await run(service)).gone.alerts, 0)
    await pass(service, 2)
    await send(service, '203.0.113.8')
    assert.equal((await run(service)).gone.alerts, 1)
    assert.equal((await service.ask('GET', `/v1/alerts/by-id/${second.alert}`)).status, 404)
    assert.equal(await rows(service, 'alerts'), 2)
  })

  test('that made a decision stay as long as it does, without the vendor’s record', async (t) => {
    const service = await open(t)
    const { alert } = await send(service, '203.0.113.7', { payload: 'x'.repeat(1_000) })
    await pass(service, 91)
    const { gone } = await run(service)
    assert.deepEqual([gone.alerts, gone.originals], [0, 1])
    const shown = await service.ask('GET', `/v1/alerts/by-id/${alert}`)
    assert.equal(shown.status, 200)
    const body = JSON.parse(shown.text).alert
    assert.deepEqual([body.original, body.original_cut], ['', true])
    assert.equal(body.attacker, '203.0.113.7')
  })

  test('that come a second time after their time make no second decision, and harm no other', async (t) => {
    const service = await open(t)
    const again = record('203.0.113.7', {
      id: 'again',
      timestamp: new Date(service.clock.now).toISOString(),
    })
    await service.alert(again)
    await pass(service, 91)
    await run(service)
    const answer = await service.alert([again, record('203.0.113.8')])
    assert.deepEqual([answer.status, answer.body.repeats, answer.body.stored], [200, 1, 1])
    await pass(service, 402)
    await run(service)
    assert.equal(await rows(service, 'decisions'), 0)
    const anew = await service.alert(again)
    assert.deepEqual([anew.status, anew.body.stored], [200, 1])
  })

  test('lose the vendor’s record earlier when that is asked for', async (t) => {
    const service = await open(t)
    const { alert } = await send(service, '203.0.113.7')
    await send(service, '203.0.113.7')
    await pass(service, 31)
    const young = await send(service, '203.0.113.9')
    assert.equal((await run(service)).gone.originals, 0)
    assert.equal((await run(service, { originals: '30d' })).gone.originals, 2)
    assert.equal((await run(service, { originals: '30d' })).gone.originals, 0)
    const old = JSON.parse((await service.ask('GET', `/v1/alerts/by-id/${alert}`)).text)
    assert.equal(old.alert.original, '')
    const kept = JSON.parse((await service.ask('GET', `/v1/alerts/by-id/${young.alert}`)).text)
    assert.notEqual(kept.alert.original, '')
  })

  test('behind a block in force or a question that waits are never removed', async (t) => {
    const service = await open(t)
    const blocked = await send(service, '203.0.113.7')
    const [asked] = [await send(service, '203.0.113.8', { severity: 50 })]
    await send(service, '203.0.113.7')
    await send(service, '203.0.113.8', { severity: 50 })
    const body = { for: '366d', reason: 'still at it' }
    await service.ask('POST', `/v1/decisions/${blocked.decision}/extend`, { body })
    await pass(service, 200)
    await send(service, '203.0.113.9')
    assert.deepEqual((await run(service, { originals: '30d', journal: '30d' })).gone, none)
    assert.equal(await rows(service, 'alerts'), 5)
    await service.ask('POST', `/v1/decisions/${asked?.decision}/decline`, {
      body: { reason: 'no' },
    })
    assert.equal((await run(service)).gone.alerts, 1)
    await pass(service, 170)
    assert.equal((await run(service)).gone.alerts, 1)
  })
})

const none = {
  alerts: 0,
  originals: 0,
  decisions: 0,
  receipts: 0,
  journal: 0,
  intelligence: 0,
}

describe('decisions', () => {
  test('in force and waiting are never removed, however old', async (t) => {
    const service = await open(t)
    const waiting = await send(service, '203.0.113.8', { severity: 50 })
    const { decision } = await send(service, '203.0.113.7')
    for (let year = 0; year < 3; year++) {
      const body = { for: '366d', reason: 'renewed' }
      const path = `/v1/decisions/${decision}/extend`
      assert.equal((await service.ask('POST', path, { body })).status, 200)
      await pass(service, 360)
    }
    assert.equal((await run(service)).gone.decisions, 0)
    for (const id of [decision, waiting.decision])
      assert.equal((await service.ask('GET', `/v1/decisions/${id}`)).status, 200)
  })

  test('go with their receipts and what is left of their alerts', async (t) => {
    const service = await open(t)
    const node = await service.enrol('web-01')
    const { decision } = await send(service, '203.0.113.7')
    await service.ask('POST', '/v1/receipts', {
      token: node.bearer(),
      body: {
        receipts: [
          { decision, status: 'applied', audience: 'all', epoch: 1, seq: 1, at: service.clock.now },
        ],
      },
    })
    await pass(service, 399)
    assert.equal((await run(service)).gone.decisions, 0)
    await pass(service, 2)
    await send(service, '203.0.113.9', { severity: 10 })
    const { gone } = await run(service)
    assert.deepEqual([gone.decisions, gone.receipts, gone.alerts], [1, 1, 1])
    for (const table of ['receipts', 'claims'] as const)
      assert.equal(await rows(service, table), 0, table)
    for (const table of ['decisions', 'alerts'] as const)
      assert.equal(await rows(service, table), 1, table)
  })

  test('leave the newest alert behind, without the vendor’s record, so that its number is not given again', async (t) => {
    const service = await open(t)
    await send(service, '203.0.113.7')
    const { alert } = await send(service, '203.0.113.7')
    await pass(service, 500)
    assert.equal((await run(service)).gone.decisions, 1)
    const again = await run(service)
    assert.deepEqual([await rows(service, 'alerts'), again.gone], [1, none])
    const kept = JSON.parse((await service.ask('GET', `/v1/alerts/by-id/${alert}`)).text)
    assert.equal(kept.alert.original, '')
  })

  test('of a repeat offender stay until the last of his blocks is of age, so that he is not taken for new', async (t) => {
    const service = await open(t)
    const first = await send(service, '203.0.113.7')
    const other = await send(service, '203.0.113.8')
    await pass(service, 300)
    const second = await send(service, '203.0.113.7')
    assert.notEqual(second.decision, first.decision)
    await pass(service, 200)
    assert.equal((await run(service)).gone.decisions, 1)
    assert.equal((await service.ask('GET', `/v1/decisions/${other.decision}`)).status, 404)
    assert.equal((await service.ask('GET', `/v1/decisions/${first.decision}`)).status, 200)
    await pass(service, 300)
    assert.equal((await run(service)).gone.decisions, 2)
  })

  test('stay for as long as an alert of theirs does', async (t) => {
    const service = await open(t)
    await send(service, '203.0.113.7')
    await pass(service, 500)
    assert.equal((await run(service, { alerts: '600d' })).gone.decisions, 0)
    assert.equal((await run(service)).gone.decisions, 1)
  })
})

test('a round goes in steps, may be cut off, and the next one goes on where it ended', async (t) => {
  const service = await open(t)
  for (let n = 0; n < 5; n++)
    await service.alert(
      Array.from({ length: 1_000 }, (_, k) =>
        record(`203.0.113.${k % 250}`, { severity: 10, id: `bulk ${n} ${k}` }),
      ),
    )
  await pass(service, 401)
  await send(service, '203.0.113.7', { severity: 10 })
  const would = await wouldRetain(service.flow.store, settings, service.clock.now)
  assert.deepEqual([would.decisions, would.alerts], [5_000, 5_000])
  assert.equal(await rows(service, 'alerts'), 5_001)
  const total = { ...none }
  let rounds = 0
  for (let more = true; more; rounds++) {
    const part = await run(service, {}, 1_500)
    more = part.more
    for (const [name, n] of Object.entries(part.gone))
      if (name in total) total[name as keyof typeof total] += n
  }
  assert.ok(rounds > 3, String(rounds))
  assert.deepEqual([total.decisions, total.alerts], [5_000, 5_000])
  assert.equal(await rows(service, 'decisions'), 1)
})

test('alerts that come while a round is under way are not kept waiting for its end', async (t) => {
  const service = await open(t, { onDisk: true })
  for (let n = 0; n < 5; n++)
    await service.alert(
      Array.from({ length: 1_000 }, (_, k) =>
        record(`203.0.113.${k % 250}`, { severity: 10, id: `bulk ${n} ${k}` }),
      ),
    )
  await pass(service, 401)
  let over = false
  const round = run(service).then(() => {
    over = true
  })
  await send(service, '198.51.100.7')
  assert.equal(over, false)
  await round
  assert.equal(await rows(service, 'alerts'), 1)
})

test('the room of what went is used again: the file does not grow with what replaces it', async (t) => {
  const service = await open(t, { onDisk: true })
  const fill = async (name: string) => {
    for (let n = 0; n < 4; n++)
      await service.alert(
        Array.from({ length: 250 }, (_, k) =>
          record(`203.0.113.${k % 250}`, {
            severity: 10,
            id: `${name}${n} ${k}`,
            payload: 'x'.repeat(4_000),
          }),
        ),
      )
  }
  await fill('a')
  const full = await readSpace(service.flow.store.read)
  await pass(service, 401)
  await run(service)
  const after = await readSpace(service.flow.store.read)
  assert.equal(after.bytes, full.bytes)
  assert.ok(after.free > full.bytes * 0.7, JSON.stringify(after))
  await fill('b')
  const again = await readSpace(service.flow.store.read)
  assert.ok(again.bytes < full.bytes * 1.1, JSON.stringify({ full, again }))
})

test('answers of providers go when they are older than the settings say', async (t) => {
  const service = await open(t)
  const { now } = service.clock
  const answer = (address: string, asked: number) => ({
    provider: 'greynoise',
    address,
    asked,
    answer: '{}',
  })
  await service.flow.store.write((tx) =>
    tx
      .insertInto('intelligence')
      .values([answer('203.0.113.1', now - 31 * day), answer('203.0.113.2', now - 29 * day)])
      .execute(),
  )
  assert.equal((await run(service)).gone.intelligence, 1)
  const left = await service.flow.store.read.selectFrom('intelligence').select('address').execute()
  assert.deepEqual(
    left.map(({ address }) => address),
    ['203.0.113.2'],
  )
})

type Forgery = (service: TestService) => Promise<unknown>
const forgeries: [what: string, forge: Forgery][] = [
  [
    'one more line is taken out at the beginning than the anchor says',
    (service) => change(service, (tx) => tx.deleteFrom('journal').where('seq', '=', 51).execute()),
  ],
  [
    'the anchor is made to say that more went',
    (service) => reanchor(service, (said) => ({ ...said, through: 60 })),
  ],
  [
    'the anchor has another hash',
    (service) => reanchor(service, (said) => ({ ...said, hash: 'f'.repeat(64) })),
  ],
  ['the anchor is no anchor any more', (service) => reanchor(service, () => ({}))],
  [
    'the anchor is taken out',
    (service) => change(service, (tx) => tx.deleteFrom('journal').where('seq', '=', 101).execute()),
  ],
  [
    'the first line that is left is made to follow from another',
    (service) =>
      change(service, (tx) =>
        tx
          .updateTable('journal')
          .set({ prev: 'f'.repeat(64) })
          .where('seq', '=', 51)
          .execute(),
      ),
  ],
  [
    'an anchor is added that says that lines went which nobody let go',
    async (service) => {
      const { store, now } = service.flow
      const entry = { at: now(), actor: 'clock', action: 'journal.prune', subject: 'journal' }
      const after = { through: 70, hash: 'f'.repeat(64), lines: 70 }
      await store.write((tx) => appendJournal(tx, [{ ...entry, after }]))
    },
  ],
  [
    'an anchor is added that points beyond itself',
    async (service) => {
      const { store, now } = service.flow
      const entry = { at: now(), actor: 'clock', action: 'journal.prune', subject: 'journal' }
      const after = { through: 1_000, hash: 'f'.repeat(64), lines: 70 }
      await store.write((tx) => appendJournal(tx, [{ ...entry, after }]))
    },
  ],
]

describe('the journal', () => {
  test('is kept for ever unless the settings say otherwise', async (t) => {
    const service = await journalled(t, 50)
    await pass(service, 10_000)
    assert.equal((await run(service)).gone.journal, 0)
    assert.equal((await verifyJournal(service.flow.store.read)).lines, 50)
  })

  test('verifies after its oldest lines were let go, and says from where', async (t) => {
    const service = await journalled(t, 2_500)
    const { store } = service.flow
    await pass(service, 2_500 - 100)
    const { gone } = await run(service, { journal: '200d' })
    assert.equal(gone.journal, 2_200)
    const verified = await verifyJournal(store.read)
    assert.deepEqual(verified, { lines: 301, head: verified.head, from: 2_201 })
    const line = await lineOf(service, 2_501)
    assert.deepEqual([line.actor, line.action], ['clock', 'journal.prune'])
  })

  test('verifies after it was let go several times, and a day has one line about it', async (t) => {
    const service = await journalled(t, 300)
    for (let n = 0; n < 4; n++) {
      await pass(service, 80)
      await run(service, { journal: '30d' })
      await run(service, { journal: '30d' })
    }
    const { read } = service.flow.store
    const verified = await verifyJournal(read)
    assert.deepEqual([verified.broken, verified.from], [undefined, 291])
    const prunes = await read
      .selectFrom('journal')
      .select('seq')
      .where('action', '=', 'journal.prune')
      .execute()
    assert.deepEqual(
      prunes.map(({ seq }) => seq),
      [301, 302, 303, 304],
    )
  })

  test('verifies also when the removal was cut off in the middle, which the next round ends', async (t) => {
    const service = await journalled(t, 5_000)
    await pass(service, 5_000)
    const part = await run(service, { journal: '30d' }, 1_000)
    assert.deepEqual([part.gone.journal, part.more], [1_000, true])
    const { read } = service.flow.store
    assert.deepEqual((await verifyJournal(read)).from, 1_001)
    assert.equal((await verifyJournal(read)).broken, undefined)
    assert.equal((await run(service, { journal: '30d' })).gone.journal, 3_970)
    assert.equal((await verifyJournal(read)).broken, undefined)
  })

  test('verifies while it is let go', async (t) => {
    const service = await journalled(t, 6_000)
    await pass(service, 6_000)
    const round = run(service, { journal: '30d' })
    const during = await Promise.all([verifyJournal(service.flow.store.read), round])
    assert.equal(during[0].broken, undefined)
  })

  for (const [what, forge] of forgeries)
    test(`does not verify when ${what}`, async (t) => {
      const service = await journalled(t, 100)
      await pass(service, 100)
      await run(service, { journal: '50d' })
      const { store } = service.flow
      const before = await verifyJournal(store.read)
      assert.deepEqual([before.broken, before.from], [undefined, 51])
      await forge(service)
      const after = await verifyJournal(store.read)
      assert.notEqual(after.broken, undefined)
    })

  test('keeps the lines since the oldest decision was made that is in force or waits', async (t) => {
    const service = await journalled(t, 10)
    await pass(service, 10)
    const { decision } = await send(service, '203.0.113.8', { severity: 50 })
    await pass(service, 300)
    assert.equal((await run(service, { journal: '30d' })).gone.journal, 10)
    const shown = await service.ask('GET', `/v1/decisions/${decision}`)
    assert.equal(shown.body.timeline.length, 1)
    await service.ask('POST', `/v1/decisions/${decision}/decline`, { body: { reason: 'no' } })
    await pass(service, 300)
    await run(service, { journal: '30d' })
    const verified = await verifyJournal(service.flow.store.read)
    assert.equal(verified.broken, undefined)
    assert.ok((verified.from ?? 0) > 11)
  })

  test('goes on with its numbers after all of it was let go but the line that says so', async (t) => {
    const service = await journalled(t, 20)
    await pass(service, 100)
    await run(service, { journal: '7d' })
    const verified = await verifyJournal(service.flow.store.read)
    assert.deepEqual([verified.lines, verified.from], [1, 21])
    await send(service, '203.0.113.7')
    assert.equal((await lineOf(service, 22)).action, 'decision.issue')
  })
})

type Tx = Parameters<Parameters<TestService['flow']['store']['write']>[0]>[0]
function change(service: TestService, work: (tx: Tx) => Promise<unknown>): Promise<unknown> {
  return service.flow.store.write(work)
}

async function reanchor(service: TestService, forged: (said: object) => object): Promise<unknown> {
  const { after } = await lineOf(service, 101)
  const text = JSON.stringify(forged(JSON.parse(after ?? '{}')))
  return change(service, (tx) =>
    tx.updateTable('journal').set({ after: text }).where('seq', '=', 101).execute(),
  )
}

function lineOf(service: TestService, seq: number) {
  return service.flow.store.read
    .selectFrom('journal')
    .selectAll()
    .where('seq', '=', seq)
    .executeTakeFirstOrThrow()
}

/** A journal with one line a day, the first at the start of the test. */
async function journalled(t: TestContext, lines: number): Promise<TestService> {
  const service = await open(t)
  const { now } = service.clock
  const entries = Array.from({ length: lines }, (_, n) => ({
    at: now + n * day,
    actor: 'token/alice',
    action: 'test.write',
    subject: `s${n}`,
    after: { n },
  }))
  await service.flow.store.write((tx) => appendJournal(tx, entries))
  return service
}
