/** Following a live stream over a real connection, through everything that may go wrong with it. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { buildSchema, parse, validate } from 'graphql'
import type { Held } from '#contract/connector.ts'
import { Problem } from '#contract/problem.ts'
import { openFrames } from '../../connectors/opencti-stream/frames.ts'
import { listObjects } from '../../connectors/opencti-stream/reconcile.ts'
import { frame, streamId } from '../doubles/opencti-stream.ts'
import {
  event,
  indicator,
  indicatorId,
  modified,
  openDouble,
  patternOf,
  settingsFor,
  startOfStream,
  startReader,
} from './stream-world.ts'

const pattern = patternOf('203.0.113.7')
const idsOf = (records: unknown[]) =>
  records.map((record) => (record instanceof Problem ? record.code : (record as { id: string }).id))
const at = (seconds: number) => `${startOfStream + seconds * 1_000}-0`
const place = (id: string, recover?: string) =>
  JSON.stringify({ version: 1, id, ...(recover && { recover }) })

describe('a followed live stream', () => {
  test('begins now at the very first start, and keeps that place before anything comes', async (t) => {
    const double = await openDouble(t)
    double.send(event('create', indicator(pattern), { at: 1 }))
    const reader = startReader(settingsFor(double))
    await reader.until(() => reader.cursors.length > 0)
    assert.deepEqual(reader.cursors, [place(at(1))])
    double.send(event('create', indicator(patternOf('203.0.113.8')), { at: 2 }))
    await reader.until(() => reader.records.length > 0)
    await reader.stop()
    assert.deepEqual(idsOf(reader.records), [at(2)])
    const [request] = double.requests
    assert.equal(request?.headers['last-event-id'], undefined)
    assert.equal(request?.headers['listen-delete'], 'true')
    assert.equal(request?.headers['no-dependencies'], 'true')
    assert.equal(request?.url.searchParams.has('recover'), false)
  })

  test('goes on after the last event that was taken when the connection was cut', async (t) => {
    const double = await openDouble(t)
    double.send(event('create', indicator(pattern), { at: 1 }))
    double.send(event('update', indicator(pattern), { at: 2 }))
    const reader = startReader(settingsFor(double), { cursor: place(at(0)) })
    await reader.until(() => reader.records.length === 2)
    double.cut()
    await double.opened(2)
    double.send(event('delete', indicator(pattern), { at: 3 }))
    await reader.until(() => reader.records.length === 3)
    await reader.stop()
    assert.deepEqual(idsOf(reader.records), [at(1), at(2), at(3)])
    assert.equal(double.requests[1]?.headers['last-event-id'], at(2))
    assert.deepEqual(
      reader.problems.map(({ code }) => code),
      ['service_unreachable'],
    )
  })

  test('reads each event once however its frames are cut and with either line end', async (t) => {
    for (const cutAt of [1, 7, 4_096])
      for (const crlf of [false, true]) {
        const double = await openDouble(t)
        Object.assign(double, { cutAt, crlf })
        const reader = startReader(settingsFor(double))
        await reader.until(() => reader.cursors.length > 0)
        double.send(event('create', indicator(pattern, { name: 'ünïcode ✓' }), { at: 1 }))
        double.send(event('delete', indicator(pattern), { at: 2 }))
        await reader.until(() => reader.records.length === 2)
        await reader.stop()
        assert.deepEqual(idsOf(reader.records), [at(1), at(2)], `${cutAt} ${crlf}`)
        assert.ok(JSON.stringify(reader.records).includes('ünïcode ✓'))
      }
  })

  test('reads an event that was cut off in the middle again and whole', async (t) => {
    const double = await openDouble(t)
    const reader = startReader(settingsFor(double), { cursor: place(at(0)) })
    await double.opened(1)
    const whole = event('create', indicator(pattern), { at: 1 })
    double.history.push(whole)
    double.raw(frame(whole).slice(0, 200))
    double.end()
    await reader.until(() => reader.records.length === 1)
    await reader.stop()
    assert.deepEqual(idsOf(reader.records), [at(1)])
  })

  test('takes an event of 300 kB', async (t) => {
    const double = await openDouble(t)
    const reader = startReader(settingsFor(double))
    await reader.until(() => reader.cursors.length > 0)
    double.send(
      event('create', indicator(pattern, { description: 'x'.repeat(300_000) }), { at: 1 }),
    )
    await reader.until(() => reader.records.length === 1)
    await reader.stop()
    assert.deepEqual(idsOf(reader.records), [at(1)])
  })

  test('says of an event that is no JSON that it is none, and goes on behind it', async (t) => {
    const double = await openDouble(t)
    const reader = startReader(settingsFor(double))
    await reader.until(() => reader.cursors.length > 0)
    double.send({ id: at(1), event: 'create', data: '{"half":' })
    double.send(event('create', indicator(pattern), { at: 2 }))
    await reader.until(() => reader.records.length === 2)
    await reader.stop()
    assert.deepEqual(idsOf(reader.records), ['malformed_json', at(2)])
    assert.equal(reader.cursors.at(-1), place(at(2)))
  })

  test('ignores events that it does not know', async (t) => {
    const double = await openDouble(t)
    const reader = startReader(settingsFor(double))
    await reader.until(() => reader.cursors.length > 0)
    double.send({ event: 'consumer_metrics', data: { timeLag: 3 } })
    double.send({ id: at(1), event: 'something-new', data: 'not even JSON' })
    double.send(event('create', indicator(pattern), { at: 2 }))
    await reader.until(() => reader.records.length === 1)
    await reader.stop()
    assert.deepEqual(reader.problems, [])
  })

  test('keeps its place a minute behind a heartbeat, whose clock is another one', async (t) => {
    const double = await openDouble(t)
    const reader = startReader(settingsFor(double), { cursor: place(at(0)) })
    await double.opened(1)
    double.send({ id: at(600), event: 'heartbeat', data: '"2026-03-01T10:10:00.000Z"' })
    await reader.until(() => reader.cursors.length === 1)
    await reader.stop()
    assert.deepEqual(reader.cursors, [place(at(540))])
  })

  test('does not let the ids of dependencies move its place', async (t) => {
    const double = await openDouble(t)
    const reader = startReader(settingsFor(double), { cursor: place(at(0)) })
    await double.opened(1)
    double.send(
      event('create', indicator(pattern), { at: 500, origin: { referer: 'init-dependencies' } }),
    )
    double.send(event('create', indicator(pattern), { at: 5 }))
    await reader.until(() => reader.records.length === 2)
    await reader.stop()
    assert.equal(reader.cursors.at(-1), place(at(5)))
  })

  test('is connected anew when it falls silent', async (t) => {
    const double = await openDouble(t)
    const reader = startReader(settingsFor(double, { silence: '50ms' }))
    await double.opened(3)
    await reader.stop()
    assert.match(reader.problems[0]?.message ?? '', /was silent for 50 ms/)
  })

  test('is not taken for well when it ends as soon as it has begun', async (t) => {
    const double = await openDouble(t)
    const reader = startReader(settingsFor(double), { cursor: place(at(0)), mostProblems: 3 })
    for (const count of [1, 2, 3]) {
      await double.opened(count)
      double.end()
      await reader.until(() => reader.problems.length === count)
    }
    await reader.stop()
    assert.deepEqual(reader.cursors, [])
  })

  for (const [status, code] of [
    [401, 'unauthenticated'],
    [403, 'forbidden'],
    [404, 'not_found'],
    [410, 'not_found'],
    [429, 'rate_limited'],
    [500, 'service_unreachable'],
    [302, 'invalid_input'],
    [200, 'invalid_input'],
  ] as const)
    test(`answers ${status} without a stream as ${code}, with what to do and without the token`, async (t) => {
      const double = await openDouble(t)
      double.refusals.push({ status, headers: { 'retry-after': '7' }, body: 'stream-token' })
      const reader = startReader(settingsFor(double), { mostProblems: 1 })
      await reader.until(() => reader.problems.length === 1)
      await reader.stop()
      const [problem] = reader.problems
      assert.equal(problem?.code, code)
      assert.ok(problem.remedy)
      assert.ok(!JSON.stringify(problem).includes('stream-token'))
      assert.equal(problem.retryMs, status === 429 ? 7_000 : undefined)
    })

  test('that was stopped says so, and goes on once it is started again', async (t) => {
    const double = await openDouble(t)
    double.stopped = true
    const reader = startReader(settingsFor(double), { cursor: place(at(0)), mostProblems: 1_000 })
    await reader.until(() => reader.problems.length > 0)
    double.stopped = false
    double.send(event('create', indicator(pattern), { at: 1 }))
    await reader.until(() => reader.records.length === 1)
    await reader.stop()
    assert.match(reader.problems[0]?.message ?? '', /it was stopped/)
  })

  test('replays all that the platform holds when it is told to begin at the start', async (t) => {
    const double = await openDouble(t)
    double.database.push({ updated: startOfStream - 86_400_000, object: indicator(pattern) })
    double.send(event('create', indicator(patternOf('203.0.113.8')), { at: 1 }))
    const reader = startReader(settingsFor(double, { from: 'start' }))
    await reader.until(() => reader.records.length === 1)
    double.send(event('create', indicator(patternOf('203.0.113.9')), { at: 2 }))
    await reader.until(() => reader.records.length === 2)
    await reader.stop()
    assert.deepEqual(idsOf(reader.records), [`${startOfStream - 86_400_000}-0`, at(2)])
    assert.equal(double.requests[1]?.headers['last-event-id'], '0-0')
    assert.equal(double.requests[1]?.url.searchParams.get('recover'), '2026-03-01T10:00:01.000Z')
  })

  test('is not followed without a stream, and says which setting is missing', async (t) => {
    const double = await openDouble(t)
    const reader = startReader({ ...settingsFor(double), stream: undefined }, { mostProblems: 1 })
    await reader.until(() => reader.problems.length === 1)
    assert.equal(reader.problems[0]?.code, 'setting_invalid')
  })
})

describe('a live stream whose history was trimmed', () => {
  const gone = indicatorId(patternOf('203.0.113.9'))
  const kept = indicator(pattern, modified(50))
  const heldIds: Held = async function* () {
    yield [gone, kept.id]
  }

  test('is recovered from the database once, and what blocks stand on is compared with the platform', async (t) => {
    const double = await openDouble(t)
    double.first = at(90)
    double.send(event('create', indicator(patternOf('203.0.113.8')), { at: 100 }))
    double.database.push({ updated: startOfStream + 50_000, object: kept })
    const reader = startReader(settingsFor(double), { cursor: place(at(1)), held: heldIds })
    await reader.until(() => reader.records.length === 3)
    await reader.stop()
    const words = reader.records.map((record) => {
      const { event, data } = record as {
        event: string
        data: { origin: { referer?: string }; data: { id: string } }
      }
      return `${event} ${data.origin.referer} ${data.data.id}`
    })
    assert.deepEqual(words, [
      `delete reconcile ${gone}`,
      `update reconcile ${kept.id}`,
      `create init-create ${kept.id}`,
    ])
    assert.equal(double.requests[1]?.headers['last-event-id'], at(1))
    assert.equal(double.requests[1]?.url.searchParams.get('recover'), '2026-03-01T10:01:40.000Z')
    assert.equal(double.requests.length, 2, 'it is not begun anew for ever')
  })

  test('has its place moved only after all was compared', async (t) => {
    const double = await openDouble(t)
    double.first = at(90)
    double.send(event('create', indicator(pattern), { at: 100 }))
    const reader = startReader(settingsFor(double), { cursor: place(at(1)), held: heldIds })
    await reader.until(() => reader.cursors.length >= 2)
    await reader.stop()
    assert.equal(reader.cursors[0], place(at(1)))
    assert.equal(reader.cursors[1], place(at(1), '2026-03-01T10:01:40.000Z'))
  })

  test('does not lift everything when the platform shows nothing of it', async (t) => {
    const double = await openDouble(t)
    double.first = at(90)
    double.send(event('create', indicator(pattern), { at: 100 }))
    const held: Held = async function* () {
      yield Array.from({ length: 30 }, (_, n) => indicatorId(`${n}`))
    }
    const reader = startReader(settingsFor(double), { cursor: place(at(1)), held })
    await reader.until(() => reader.records.length === 1)
    await reader.stop()
    assert.deepEqual(idsOf(reader.records), ['forbidden'])
  })

  test('is compared also when the server says that it skips the recovery', async (t) => {
    const double = await openDouble(t)
    const recover = '2026-03-01T10:05:00.000Z'
    const reader = startReader(settingsFor(double), {
      cursor: place(at(1), recover),
      held: heldIds,
    })
    double.first = at(0)
    await double.opened(1)
    double.send({ event: 'no-recover', data: {} })
    await reader.until(() => reader.records.length > 0)
    await reader.stop()
    assert.deepEqual(double.asked.length, 1)
  })

  test('asks in the words of the vendor’s schema', (t) => {
    const file = new URL('../../../shared/contracts/opencti.graphql', import.meta.url)
    let text: string
    try {
      text = readFileSync(file, 'utf8')
    } catch {
      return t.skip('the schema of the vendor is not here')
    }
    const schema = buildSchema(text, { assumeValid: true })
    assert.deepEqual(validate(schema, parse(listObjects.document)), [])
  })
})

describe('frames that are read ahead', () => {
  test('are no more than the queue holds while nobody takes them, and none is lost', async () => {
    let pulled = 0
    const body = new ReadableStream<Uint8Array>(
      {
        pull: (control) => {
          pulled++
          if (pulled > 500) control.close()
          else control.enqueue(Buffer.from(frame({ id: `${pulled}-0`, event: 'create', data: {} })))
        },
      },
      { highWaterMark: 0 },
    )
    const frames = openFrames(body, { silenceMs: 60_000, mostFrames: 10 })
    const [first] = await frames.take(1)
    assert.equal(first?.id, '1-0')
    await new Promise((done) => setImmediate(done))
    assert.ok(pulled <= 12, `${pulled} were read`)
    const ids: (string | undefined)[] = [first?.id]
    while (ids.length < 500) ids.push(...(await frames.take(100)).map(({ id }) => id))
    assert.deepEqual(
      ids,
      Array.from({ length: 500 }, (_, n) => `${n + 1}-0`),
    )
    await assert.rejects(frames.take(1), { code: 'service_unreachable' })
    await frames.close()
  })

  test('that wait for a slow consumer are no silence', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] })
    let enqueue = (_: string) => {}
    const body = new ReadableStream<Uint8Array>({
      start: (control) => {
        enqueue = (text) => control.enqueue(Buffer.from(text))
      },
    })
    const frames = openFrames(body, { silenceMs: 1_000, mostFrames: 1 })
    enqueue(frame({ id: '1-0', event: 'create', data: {} }))
    await new Promise((done) => setImmediate(done))
    t.mock.timers.tick(60_000)
    enqueue(frame({ id: '2-0', event: 'create', data: {} }))
    const ids = [...(await frames.take(1)), ...(await frames.take(1))].map(({ id }) => id)
    assert.deepEqual(ids, ['1-0', '2-0'])
    await new Promise((done) => setImmediate(done))
    t.mock.timers.tick(1_001)
    await assert.rejects(frames.take(1), /silent/)
    await frames.close()
  })
})

test('a live stream is named by its id, never as the raw one', () => {
  assert.throws(() => settingsFor({ url: 'http://127.0.0.1:1' } as never, { stream: 'live' }))
  assert.doesNotThrow(() =>
    settingsFor({ url: 'http://127.0.0.1:1' } as never, { stream: streamId }),
  )
})
