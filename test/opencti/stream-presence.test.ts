/** The stream connector as the platform shows it, through the vendor's schema: registered, alive, and told of a reset. */
import assert from 'node:assert/strict'
import { after, before, beforeEach, describe, test } from 'node:test'
import type { Cordon, Held, Worked } from '#contract/connector.ts'
import { Problem } from '#contract/problem.ts'
import { connector } from '../../connectors/opencti-stream/connector.ts'
import { servePresence } from '../../connectors/opencti-stream/presence.ts'
import { Settings } from '../../connectors/opencti-stream/settings.ts'
import { standingOf } from '../../connectors/opencti-stream/standing.ts'
import { emptyWorld, schemaMissing, startOpenCti } from '../doubles/opencti.ts'
import { connectorId, cordonThatKnows } from './jobs.ts'
import {
  event,
  indicator,
  openDouble,
  patternOf,
  settingsFor,
  startOfStream,
  startReader,
} from './stream-world.ts'

const placeAt = (seconds: number) =>
  JSON.stringify({ version: 1, id: `${startOfStream + seconds * 1_000}-0` })

describe('the presence of the stream connector', { skip: schemaMissing() }, () => {
  const world = emptyWorld()
  let platform: Awaited<ReturnType<typeof startOpenCti>>
  before(async () => {
    platform = await startOpenCti(world)
  })
  after(() => platform.close())
  beforeEach(() => {
    Object.assign(world, { ...emptyWorld(), token: world.token })
  })

  function present(more: Record<string, unknown> = {}) {
    const given = { url: platform.url, token: world.token, id: connectorId, ...more }
    const settings = Settings.parse(given)
    const stop = new AbortController()
    const reports: Worked[] = []
    const [server] = servePresence(settings, 1)
    assert.ok(server)
    const ended = server.run(stop.signal, (work) => reports.push(work))
    ended.catch(() => {})
    const pings = () =>
      world.exchanges.flatMap(({ query, variables }) =>
        query.includes('CordonPing') ? [variables.state] : [],
      )
    /** Pings until it holds, but not for ever. */
    const until = async (holds: () => boolean) => {
      for (const late = AbortSignal.timeout(60_000); !holds() && !late.aborted; ) {
        await new Promise((done) => setImmediate(done))
        // Why it failed, if it did.
        await Promise.race([ended, undefined])
      }
      assert.ok(holds(), JSON.stringify(pings().slice(-3)))
    }
    return {
      settings,
      standing: standingOf(settings),
      pings,
      until,
      reports,
      stop: async () => {
        stop.abort()
        await ended
      },
      ended,
    }
  }

  test('is a registered connector of the type STREAM, in the fields that this platform knows', async () => {
    const { until, pings, reports, stop } = present({ name: 'Blocks' })
    await until(() => pings().length > 0)
    await stop()
    assert.deepEqual(reports, ['ready'])
    const { input } = world.connectors.get(connectorId) ?? {}
    assert.deepEqual([input?.type, input?.name, input?.scope], ['STREAM', 'Blocks', ['indicator']])
    assert.equal(input?.version, undefined)
    assert.equal(pings()[0], 'null')
  })

  test('keeps the place of the stream on the platform', async () => {
    const { until, pings, standing, stop } = present()
    standing.kept = placeAt(7)
    const state = JSON.stringify({ start_from: `${startOfStream + 7_000}-0` })
    await until(() => pings().includes(state))
    await stop()
    assert.equal(world.connectors.get(connectorId)?.state, state)
  })

  test('hears of a reset, and leaves the state empty there until the stream was begun anew', async () => {
    const { until, pings, standing, stop } = present()
    standing.kept = placeAt(7)
    await until(() => pings().length > 0)
    world.connectors.set(connectorId, { state: '', input: {}, reset: true })
    await until(() => standing.reset)
    const before = pings().length
    await until(() => pings().length > before)
    assert.equal(world.connectors.get(connectorId)?.state, '', 'it stays one over a restart')
    standing.reset = false
    await until(() => world.connectors.get(connectorId)?.state !== '')
    await stop()
  })

  test('hears of a reset that came while it was away, but takes the first registration for none', async () => {
    const first = present()
    first.standing.kept = placeAt(7)
    await first.until(() => first.pings().length > 1)
    await first.stop()
    assert.equal(first.standing.reset, false)
    world.connectors.set(connectorId, { state: '', input: {} })
    const second = present()
    second.standing.kept = placeAt(7)
    await second.until(() => second.standing.reset)
    await second.stop()
  })

  test('ends with why when the platform does not know it any more, and is registered by the next start', async () => {
    const { until, pings, ended } = present()
    await until(() => pings().length > 0)
    world.connectors.clear()
    await assert.rejects(ended, (error) => error instanceof Problem)
    const again = present()
    await again.until(() => again.reports.includes('ready'))
    assert.ok(world.connectors.has(connectorId))
    await again.stop()
  })
})

test('without an id nothing is registered, and the stream is followed all the same', () => {
  const settings = Settings.parse({ url: 'https://opencti.example', token: 't' })
  const cordon: Cordon = cordonThatKnows(new Map())
  assert.deepEqual(connector.serve?.(settings, cordon), [])
  assert.equal(connector.sources?.(settings).length, 1)
})

describe('a stream whose state was reset on the platform', () => {
  const kept = indicator(patternOf('203.0.113.7'))
  const gone = 'indicator--00000000-0000-4000-8000-000000000000'
  const held: Held = async function* () {
    yield [gone, kept.id]
  }
  const words = (records: readonly unknown[]) =>
    records.map((record) => {
      const { event, data } = record as { event: string; data: { data: { id: string } } }
      return `${event} ${data.data.id}`
    })

  test('is compared with the platform and goes on where it was: nothing between is left out', async (t) => {
    const double = await openDouble(t)
    double.database.push({ updated: startOfStream, object: kept })
    const settings = settingsFor(double)
    const standing = standingOf(settings)
    const reader = startReader(settings, { cursor: placeAt(0), held })
    await double.opened(1)
    standing.reset = true
    double.send(event('create', indicator(patternOf('203.0.113.8')), { at: 1 }))
    await double.opened(2)
    assert.equal(standing.reset, false)
    double.send(event('create', indicator(patternOf('203.0.113.9')), { at: 2 }))
    await reader.until(() => reader.records.length === 4)
    await reader.stop()
    assert.deepEqual(words(reader.records), [
      `create ${indicator(patternOf('203.0.113.8')).id}`,
      `delete ${gone}`,
      `update ${kept.id}`,
      `create ${indicator(patternOf('203.0.113.9')).id}`,
    ])
    assert.equal(double.requests[1]?.headers['last-event-id'], `${startOfStream + 1_000}-0`)
  })

  test('is given again from the start where the settings ask for that', async (t) => {
    const double = await openDouble(t)
    double.database.push({ updated: startOfStream, object: kept })
    const settings = settingsFor(double, { from: 'start' })
    const standing = standingOf(settings)
    const reader = startReader(settings, { cursor: placeAt(0) })
    await double.opened(1)
    standing.reset = true
    double.send(event('create', indicator(patternOf('203.0.113.8')), { at: 1 }))
    await reader.until(() => reader.records.length === 2)
    await reader.stop()
    assert.equal(double.requests[1]?.headers['last-event-id'], '0-0')
    assert.equal(double.requests[1]?.url.searchParams.get('recover'), '2026-03-01T10:00:01.000Z')
    assert.equal(words(reader.records)[1], `create ${kept.id}`)
  })

  test('is told of the place that was kept, never of one whose page was not taken', async (t) => {
    const double = await openDouble(t)
    const settings = settingsFor(double)
    const [source] = connector.sources?.(settings) ?? []
    assert.ok(source)
    const stop = new AbortController()
    t.after(() => stop.abort())
    const pages = source.follow(placeAt(0), stop.signal)[Symbol.asyncIterator]()
    const first = pages.next()
    await double.opened(1)
    double.send(event('create', kept, { at: 1 }))
    await first
    assert.equal(standingOf(settings).kept, placeAt(0))
    const second = pages.next()
    double.send(event('create', kept, { at: 2 }))
    await second
    assert.equal(standingOf(settings).kept, placeAt(1))
  })
})
