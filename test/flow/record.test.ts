/** Recording: a backlog keeps nobody else waiting, and what was stored of it is never stored twice. */
import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import type { Alert } from '#contract/alert.ts'
import { Problem } from '#contract/problem.ts'
import { readRecord } from '../../actions/flow/receive.ts'
import { openSqlite } from '../../actions/store/sqlite.ts'
import { openStore } from '../../actions/store/store.ts'
import { openTestService, plainPolicy, record, type TestService } from '../service.ts'

describe('a backlog of alerts', () => {
  test('leaves the event loop a turn between its commits', async (t) => {
    const service = await open(t)
    const alerts = alertsOf(service, 3_500)
    const turns = countTurns()
    const recorded = await service.flow.recorder.record(alerts)
    assert.ok(turns.stop() >= 3)
    assert.deepEqual(
      recorded.map(({ alert }) => alert),
      alerts.map(({ id }) => id),
    )
    assert.ok(recorded.every(({ result }) => result === 'stored'))
  })

  test('whose second thousand the store refuses is refused, and sent again gives repeats for the first', async (t) => {
    const service = await open(t)
    const alerts = alertsOf(service, 2_500)
    const refused = service.flow.recorder.record(alerts)
    const other = service.flow.recorder.record(alertsOf(service, 1))
    await service.flow.store.write((tx) =>
      tx.schema.alterTable('alerts').renameTo('elsewhere').execute(),
    )
    await assert.rejects(refused)
    await assert.rejects(other)
    assert.equal(service.flow.recorder.waiting(), 0)
    await service.flow.store.write((tx) =>
      tx.schema.alterTable('elsewhere').renameTo('alerts').execute(),
    )
    const again = await service.flow.recorder.record(alerts)
    assert.deepEqual(
      again.map(({ result }) => result),
      alerts.map((_, n) => (n < 1_000 ? 'repeat' : 'stored')),
    )
  })
})

describe('a rule that blocks a wider network than the policy does', () => {
  const policy = plainPolicy.replace('for: 1h }', 'for: 1h, ipv4_prefix: 24 }')

  test('makes one block for all its attackers, whether they come together or one by one', async (t) => {
    for (const together of [true, false]) {
      const service = await openTestService({ policy })
      t.after(() => service.close())
      const records = [7, 8, 9].map((n) => record(`203.0.113.${n}`))
      if (together) await service.alert(records)
      else for (const one of records) await service.alert(one)
      const { text } = await service.ask('GET', '/v1/decisions')
      const { decisions }: { decisions: { target: string; alerts: number }[] } = JSON.parse(text)
      assert.deepEqual(
        decisions.map(({ target, alerts }) => [target, alerts]),
        [['203.0.113.0/24', 3]],
      )
    }
  })
})

describe('the ceilings', () => {
  const policy = plainPolicy.replace('100000', '3')

  test('count no block that the store took back', async (t) => {
    const service = await openTestService({ policy })
    t.after(() => service.close())
    await service.alert(record('192.0.2.1', { severity: 10 }))
    const rename = (from: 'envelopes' | 'elsewhere', to: string) =>
      service.flow.store.write((tx) => tx.schema.alterTable(from).renameTo(to).execute())
    await rename('envelopes', 'elsewhere')
    for (const n of [1, 2, 3, 4, 5])
      await assert.rejects(service.flow.recorder.record(alertsOf(service, n)))
    await rename('elsewhere', 'envelopes')
    const [recorded] = await service.flow.recorder.record(alertsOf(service, 1))
    assert.equal(recorded?.outcome, 'block')
  })

  test('count the blocks of one request as they are made', async (t) => {
    const service = await openTestService({ policy })
    t.after(() => service.close())
    const recorded = await service.flow.recorder.record(alertsOf(service, 5))
    assert.deepEqual(
      recorded.map(({ outcome }) => outcome),
      ['block', 'block', 'block', 'review', 'review'],
    )
  })
})

describe('at a ceiling', () => {
  const policy = plainPolicy.replace('100000', '2')
  type Shown = { target: string; state: string; alerts: number; not_after: string | null }
  const full = async (t: TestContext, given = policy) => {
    const service = await openTestService({ policy: given })
    t.after(() => service.close())
    await service.alert([record('203.0.113.1'), record('203.0.113.2')])
    const shown = async () => {
      const { text } = await service.ask('GET', '/v1/decisions')
      const { decisions }: { decisions: Shown[] } = JSON.parse(text)
      return decisions.sort((a, b) => (a.target < b.target ? -1 : 1))
    }
    return { service, shown }
  }

  test('another alert about what is blocked already is evidence, prolongs nothing and is no question', async (t) => {
    const { service, shown } = await full(t)
    const [before] = await shown()
    service.clock.now += 30_000
    await service.alert([record('203.0.113.1'), record('203.0.113.3')])
    const [again, ...others] = await shown()
    assert.deepEqual([again?.state, again?.alerts], ['issued', 2])
    assert.equal(again?.not_after, before?.not_after)
    assert.deepEqual(
      others.map(({ target, state }) => [target, state]),
      [
        ['203.0.113.2', 'issued'],
        ['203.0.113.3', 'waiting'],
      ],
    )
  })

  test('that is over the block is prolonged again', async (t) => {
    const { service, shown } = await full(t)
    const [before] = await shown()
    service.clock.now += 30 * 60_000
    await service.alert(record('203.0.113.1'))
    const [again] = await shown()
    assert.ok(again?.not_after && before?.not_after && again.not_after > before.not_after)
  })

  test('what a rule wants to ask about is asked, blocked or not', async (t) => {
    const { service, shown } = await full(t)
    await service.alert(record('203.0.113.1', { severity: 50 }))
    const states = (await shown()).map(({ target, state }) => `${target} ${state}`)
    assert.deepEqual(states.toSorted(), [
      '203.0.113.1 issued',
      '203.0.113.1 waiting',
      '203.0.113.2 issued',
    ])
  })
})

describe('the queue of writers', () => {
  test('leaves the event loop a turn between its commits', async (t) => {
    const store = await openStore(openSqlite(':memory:'))
    t.after(() => store.close())
    const turns = countTurns()
    const next = async (left: number): Promise<unknown> => {
      const more: Promise<unknown>[] = []
      await store.note(async () => {
        if (left > 0) more.push(next(left - 1))
      })
      return Promise.all(more)
    }
    await next(5)
    assert.ok(turns.stop() >= 5)
  })

  test('gives no turn away to write one thing alone', async (t) => {
    const store = await openStore(openSqlite(':memory:'))
    t.after(() => store.close())
    const turns = countTurns()
    await store.note(async () => {})
    assert.equal(turns.stop(), 0)
  })
})

/** Counts the turns of the event loop until it is stopped. */
function countTurns(): { stop(): number } {
  let count = 0
  let next = setImmediate(function again() {
    count++
    next = setImmediate(again)
  })
  return {
    stop: () => {
      clearImmediate(next)
      return count
    },
  }
}

function alertsOf(service: TestService, count: number): Alert[] {
  const webhook = service.flow.connectors.get('webhook')
  assert.ok(webhook)
  return Array.from({ length: count }, (_, n) => {
    const read = readRecord(webhook, record(`203.0.${n >> 8}.${n & 255}`), service.clock.now)
    if (read instanceof Problem) throw read
    const [alert] = read
    assert.ok(alert)
    return alert
  })
}

async function open(t: TestContext): Promise<TestService> {
  const service = await openTestService()
  t.after(() => service.close())
  return service
}
