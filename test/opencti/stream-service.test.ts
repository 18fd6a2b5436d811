/** From the live stream to the decisions and back: over a real connection, into a real store. */
import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { followSources, type SourceHealth } from '../../actions/flow/pull.ts'
import { connector } from '../../connectors/opencti-stream/connector.ts'
import { followStream } from '../../connectors/opencti-stream/follow.ts'
import type { Settings } from '../../connectors/opencti-stream/settings.ts'
import { until as eventually } from '../crash/until.ts'
import type { StreamDouble } from '../doubles/opencti-stream.ts'
import { openTestService, type TestService } from '../service.ts'
import {
  event,
  indicator,
  modified,
  openDouble,
  patternOf,
  settingsFor,
  startOfStream,
} from './stream-world.ts'

const policy = `
version: 1
ceilings: { blocks_per_minute: 100000 }
rules:
  - { name: listed, because: OpenCTI lists it, when: alert.severity >= 70, verdict: block, for: 30d }
`
const pattern = patternOf('203.0.113.7')

describe('an indicator of the live stream', () => {
  test('is blocked until its end at most, and lifted when it is revoked', async (t) => {
    const { double, service, until } = await follow(t)
    double.send(event('create', indicator(pattern, { valid_until: '2026-03-02T10:00:00.000Z' })))
    await until('203.0.113.7 issued')
    assert.equal((await decisions(service))[0]?.length_s, 86_400 - 600, 'ten minutes are over')
    const revoked = indicator(pattern, { revoked: true, ...modified(2) })
    double.send(event('delete', revoked, { type: 'update', at: 2 }))
    await until('203.0.113.7 ended')
    const rows = await service.flow.store.read.selectFrom('journal').selectAll().execute()
    const lift = rows.find(({ action }) => action === 'decision.lift')
    assert.equal(lift?.actor, 'connector/opencti-stream')
    assert.match(lift?.after ?? '', /it is revoked/)
  })

  test('is blocked again when it is in force again, and a replay of all of it changes nothing', async (t) => {
    const { double, service, until } = await follow(t)
    const all = [
      event('create', indicator(pattern)),
      event('update', indicator(pattern, { revoked: true, ...modified(2) }), { at: 2 }),
      event('update', indicator(pattern, modified(3)), { at: 3 }),
    ]
    for (const one of all) double.send(one)
    await until('203.0.113.7 ended', '203.0.113.7 issued')
    for (const one of all) double.send(one)
    double.send(event('create', indicator(patternOf('203.0.113.8')), { at: 4 }))
    await until('203.0.113.7 ended', '203.0.113.7 issued', '203.0.113.8 issued')
    assert.equal((await decisions(service)).length, 3)
  })

  test('that does not hold yet is blocked when it begins to', async (t) => {
    const { double, service, until } = await follow(t)
    const begins = startOfStream + 3_600_000
    const later = indicator(pattern, { valid_from: new Date(begins).toISOString() })
    double.database.push({ updated: startOfStream, object: later })
    double.send(event('create', later))
    double.send(event('create', indicator(patternOf('203.0.113.8')), { at: 2 }))
    await until('203.0.113.8 issued')
    service.clock.now = begins
    double.send({ id: `${startOfStream + 70_000}-0`, event: 'heartbeat', data: '' })
    await until('203.0.113.7 issued', '203.0.113.8 issued')
  })

  test('that vanished while the history was trimmed is lifted, and one that is still there is not', async (t) => {
    const { double, until } = await follow(t)
    double.send(event('create', indicator(pattern)))
    double.send(event('create', indicator(patternOf('203.0.113.8')), { at: 2 }))
    await until('203.0.113.7 issued', '203.0.113.8 issued')
    const still = indicator(patternOf('203.0.113.8'))
    double.database.push({ updated: startOfStream, object: still })
    double.history.push(event('create', indicator(patternOf('203.0.113.9')), { at: 500 }))
    double.first = `${startOfStream + 400_000}-0`
    double.cut()
    await until('203.0.113.7 ended', '203.0.113.8 issued')
  })

  test('is not lost, nor blocked twice, when the connection is cut at every event', async (t) => {
    const { double, service, until } = await follow(t)
    const addresses = Array.from({ length: 20 }, (_, n) => `203.0.113.${n + 1}`)
    for (const [n, address] of addresses.entries()) {
      double.send(event('create', indicator(patternOf(address)), { at: n + 1 }))
      double.cut()
      await double.opened(n + 2)
    }
    await until(...addresses.map((address) => `${address} issued`).sort())
    assert.equal((await decisions(service)).length, 20)
  })

  test('is shown as failing while the stream is stopped, and as followed once it is not', async (t) => {
    const { double, health, until } = await follow(t)
    double.stopped = true
    double.end()
    await until(() => health[0]?.state === 'failing' && /stopped/.test(health[0].problem ?? ''))
    double.stopped = false
    double.send(event('create', indicator(pattern)))
    await until('203.0.113.7 issued')
    // The place is kept after the block, and then it is well again.
    await eventually('it is followed', async () => {
      const { state, problem } = health[0] ?? {}
      return (state !== 'following' || problem !== undefined) && `${state}: ${problem}`
    })
  })
})

test('a platform that asks for a pause is left alone for so long, but not for ever', async (t) => {
  const { double, pauses, until } = await follow(t)
  for (const seconds of ['7', '86400', '0'])
    double.refusals.push({ status: 429, headers: { 'retry-after': seconds } })
  double.end()
  await until(() => pauses.length >= 4)
  assert.deepEqual(pauses.slice(1, 4), [7_000, 600_000, 4_000])
})

type Shown = { target: string; state: string; length_s: number }
async function decisions(service: TestService): Promise<Shown[]> {
  const { text } = await service.ask('GET', '/v1/decisions')
  return JSON.parse(text).decisions
}

type Followed = {
  double: StreamDouble
  service: TestService
  health: SourceHealth[]
  /** How long the service waited before it tried again. */
  pauses: number[]
  /** Resolves once the decisions are these, or it holds; looks after every commit and every pause. */
  until(...wanted: string[] | [() => boolean]): Promise<void>
}

async function follow(t: TestContext): Promise<Followed> {
  const double = await openDouble(t)
  const service = await openTestService({ policy, now: startOfStream + 600_000 })
  const { store, recorder, log, now } = service.flow
  let changed = () => {}
  const next = () =>
    new Promise<void>((done) => {
      changed = done
    })
  store.onCommit(() => changed())
  const health: SourceHealth[] = []
  const pauses: number[] = []
  const pause = async (ms: number) => {
    pauses.push(ms)
    changed()
    await new Promise((done) => setImmediate(done))
  }
  const sources = (settings: Settings) => [followStream(settings, now)]
  const running = { connector: { ...connector, sources }, settings: settingsFor(double) }
  const followed = followSources({ store, recorder, log, now, pause }, [running], health)
  t.after(async () => {
    await followed.stop()
    await service.close()
  })
  const holds = async ([first, ...rest]: string[] | [() => boolean]) => {
    if (typeof first === 'function') return first()
    const found = (await decisions(service)).map(({ target, state }) => `${target} ${state}`)
    return found.sort().join() === [first, ...rest].join()
  }
  await double.opened(1)
  return {
    double,
    service,
    health,
    pauses,
    until: async (...wanted) => {
      for (let looks = 0; looks < 500; looks++) {
        const waiting = next()
        if (await holds(wanted)) return
        await waiting
      }
      assert.fail(`never came: ${wanted.join()}`)
    },
  }
}
