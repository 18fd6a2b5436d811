/** Who falls silent is said once, and once more when it is back; who is hardly away, not at all. */
import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import type { Heartbeat } from '#contract/receipt.ts'
import type { SourceState } from '../../actions/facts/source.ts'
import type { SourceHealth } from '../../actions/flow/pull.ts'
import { openWatch } from '../../actions/flow/watch.ts'
import { readJournal } from '../../actions/store/journal.ts'
import { openTestService, type TestService } from '../service.ts'

const list = (state: SourceState['state']): SourceState => ({
  name: 'droplist',
  kind: 'list',
  state,
  details: {},
})
const start = Date.UTC(2026, 2, 1, 3)

describe('a source of facts', () => {
  test('that stays silent for a minute is journalled once, and its return too', async (t) => {
    const { look, lines } = await watchOver(t)
    for (const seconds of [0, 15, 30, 45]) await look(list('silent'), seconds)
    assert.deepEqual(await lines(), [])
    for (const seconds of [60, 75, 90]) await look(list('silent'), seconds)
    assert.deepEqual(await lines(), ['list.silent droplist'])
    for (const seconds of [105, 120, 165, 200]) await look(list('ready'), seconds)
    assert.deepEqual(await lines(), ['list.silent droplist', 'list.ready droplist'])
  })

  test('that is silent over a restart is not said to be again, and its return is', async (t) => {
    const service = await open(t)
    const pass = async (state: SourceState['state'], from: number) => {
      const { look } = openWatch(service.flow.store, () => [list(state)])
      for (const seconds of [0, 60, 75]) await look(start + (from + seconds) * 1_000)
    }
    await pass('silent', 0)
    await pass('silent', 100)
    assert.deepEqual(await linesLike(service, 'list.'), ['list.silent droplist'])
    await pass('ready', 200)
    await pass('ready', 300)
    const both = ['list.silent droplist', 'list.ready droplist']
    assert.deepEqual(await linesLike(service, 'list.'), both)
  })

  test('that is back within a minute is nothing to wake anybody for', async (t) => {
    const { look, lines } = await watchOver(t)
    await look(list('ready'), 0)
    await look(list('silent'), 15)
    await look(list('ready'), 60)
    await look(list('silent'), 75)
    await look(list('silent'), 120)
    assert.deepEqual(await lines(), [])
  })
})

describe('a node', () => {
  test('that sends no heartbeat any more is journalled, and when it is back', async (t) => {
    const service = await open(t)
    const node = await service.enrol('web-1')
    const watch = openWatch(service.flow.store, () => [])
    const beat = () => service.flow.takeHeartbeat(node.name, heartbeat)
    const pass = async (ms: number) => {
      service.clock.now += ms
      await watch.look(service.clock.now)
    }
    await beat()
    await pass(0)
    for (let n = 0; n < 10; n++) await pass(60_000)
    assert.deepEqual(await nodeLines(service), ['node.silent web-1'])
    await beat()
    for (let n = 0; n < 10; n++) {
      await beat()
      await pass(30_000)
    }
    assert.deepEqual(await nodeLines(service), ['node.silent web-1', 'node.back web-1'])
  })

  test('is given time to be heard after the service was away', async (t) => {
    const service = await open(t)
    const node = await service.enrol('web-1')
    await service.flow.takeHeartbeat(node.name, heartbeat)
    service.clock.now += 3_600_000
    const watch = openWatch(service.flow.store, () => [])
    await watch.look(service.clock.now)
    service.clock.now += 30_000
    await service.flow.takeHeartbeat(node.name, heartbeat)
    await watch.look(service.clock.now)
    assert.deepEqual(await nodeLines(service), [])
  })

  test('that was revoked is not missed', async (t) => {
    const service = await open(t)
    const node = await service.enrol('web-1')
    await service.flow.takeHeartbeat(node.name, heartbeat)
    const watch = openWatch(service.flow.store, () => [])
    await watch.look(service.clock.now)
    await service.ask('POST', '/v1/nodes/web-1/revoke', { body: { reason: 'gone' } })
    service.clock.now += 3_600_000
    await watch.look(service.clock.now)
    service.clock.now += 3_600_000
    await watch.look(service.clock.now)
    assert.deepEqual(await nodeLines(service), [])
  })
})

describe('a part of a connector', () => {
  const part = (state: SourceHealth['state'], more: Partial<SourceHealth> = {}): SourceHealth => ({
    ...{ connector: 'splunk', source: 'search', state, records: 0, refused: 0 },
    ...more,
  })
  const expired = { problem: 'the token expired', remedy: 'make a new one' }

  async function watchParts(t: TestContext) {
    const service = await open(t)
    let seconds = 0
    let parts: SourceHealth[] = []
    const watch = () =>
      openWatch(
        service.flow.store,
        () => [],
        () => parts,
      )
    let { look } = watch()
    return {
      service,
      restart: () => {
        ;({ look } = watch())
      },
      pass: async (minutes: number, ...now: SourceHealth[]) => {
        parts = now
        for (let n = 0; n < minutes * 4; n++) await look(start + 15_000 * seconds++)
      },
      lines: () => linesLike(service, 'connector.'),
    }
  }

  test('that fails for minutes is journalled once with why, and its return too', async (t) => {
    const { pass, lines, service } = await watchParts(t)
    await pass(2, part('failing', expired))
    assert.deepEqual(await lines(), [])
    await pass(3, part('failing', expired))
    assert.deepEqual(await lines(), ['connector.silent splunk, search'])
    const [line] = await readJournal(service.flow.store.read, { after: 0, limit: 1 })
    assert.deepEqual(JSON.parse(line?.after ?? ''), {
      detail: 'the token expired',
      remedy: 'make a new one',
    })
    await pass(5, part('following'))
    assert.deepEqual((await lines()).slice(1), ['connector.ready splunk, search'])
  })

  test('whose results or service cannot be reached is away, which a restart does not say again', async (t) => {
    const { pass, lines, restart } = await watchParts(t)
    await pass(5, part('away', expired))
    restart()
    await pass(5, part('away', expired))
    assert.deepEqual(await lines(), ['connector.away splunk, search'])
    restart()
    await pass(5, part('following'))
    assert.deepEqual((await lines()).slice(1), ['connector.ready splunk, search'])
  })

  test('that is back within minutes, as after a restart over there, wakes nobody', async (t) => {
    const { pass, lines } = await watchParts(t)
    for (let n = 0; n < 3; n++) {
      await pass(2, part('failing', expired))
      await pass(2, part('following'))
    }
    assert.deepEqual(await lines(), [])
  })
})

const heartbeat: Heartbeat = {
  version: '0.1.0',
  backend: 'netlink',
  enforcing: true,
  cursor: '',
  claims: 0,
  elements: 0,
  clock_offset_ms: 0,
  started: start,
  interval_ms: 30_000,
  events: [],
}

async function watchOver(t: TestContext) {
  const service = await open(t)
  let states: SourceState[] = []
  const watch = openWatch(service.flow.store, () => states)
  return {
    look: (state: SourceState, seconds: number) => {
      states = [state]
      return watch.look(start + seconds * 1_000)
    },
    lines: () => linesLike(service, 'list.'),
  }
}

const nodeLines = (service: TestService) =>
  linesLike(service, 'node.').then((lines) =>
    lines.filter((line) => /^node\.(silent|back) /.test(line)),
  )

async function linesLike(service: TestService, action: string): Promise<string[]> {
  const lines = await readJournal(service.flow.store.read, { after: 0, limit: 100 })
  return lines
    .filter((line) => line.action.startsWith(action))
    .map((line) => `${line.action} ${line.subject}`)
}

async function open(t: TestContext): Promise<TestService> {
  const service = await openTestService()
  t.after(() => service.close())
  return service
}
