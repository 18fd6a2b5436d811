/** Indicators that begin to hold at a time to come: they become blocks then, whatever happens until then. */
import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { Problem } from '#contract/problem.ts'
import { connector } from '../../connectors/opencti-stream/connector.ts'
import { dueOf, keepForLater, type Later } from '../../connectors/opencti-stream/later.ts'
import { Settings } from '../../connectors/opencti-stream/settings.ts'
import type { Stix } from '../doubles/opencti-stream.ts'
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
const id = indicatorId(pattern)
const hour = 3_600_000
const begins = startOfStream + hour
const tomorrow = indicator(pattern, { valid_from: new Date(begins).toISOString() })

/** Follows with a clock that the test moves. */
async function stage(t: TestContext) {
  const double = await openDouble(t)
  const clock = { now: startOfStream }
  const settings = settingsFor(double)
  const start = (cursor = JSON.stringify({ version: 1, id: `${startOfStream}-0` })) => {
    const reader = startReader(settings, { cursor, now: () => clock.now })
    t.after(() => reader.stop())
    return reader
  }
  const alerts = (records: readonly unknown[]) =>
    records.flatMap((record) => connector.read?.(record, { settings, now: clock.now }) ?? [])
  let beats = 60
  /** The platform says that it is there, which it does every five seconds. */
  const beat = () =>
    double.send({
      id: `${startOfStream + ++beats * 1_000}-0`,
      event: 'heartbeat',
      data: new Date(startOfStream).toISOString(),
    })
  return { double, clock, start, alerts, beat }
}

const heldBack = (cursor: string | undefined) => JSON.parse(cursor ?? '{}').later ?? []

describe('an indicator that does not hold yet', () => {
  test('is no alert before its time, and one from then on', async (t) => {
    const { double, clock, start, alerts, beat } = await stage(t)
    const reader = start()
    await double.opened(1)
    double.database.push({ updated: startOfStream, object: tomorrow })
    double.send(event('create', tomorrow))
    await reader.until(() => reader.records.length === 1)
    assert.deepEqual(alerts(reader.records), [])
    assert.deepEqual(heldBack(reader.cursors.at(-1)), [[id, begins]])
    clock.now = begins
    beat()
    await reader.until(() => reader.records.length === 2)
    const [alert] = alerts(reader.records.slice(1))
    assert.deepEqual([alert?.attacker, alert?.statement], ['203.0.113.7', id])
    assert.deepEqual(heldBack(reader.cursors.at(-1)), [])
  })

  test('is remembered over a restart, and asked for at once when its time came meanwhile', async (t) => {
    const { double, clock, start, alerts } = await stage(t)
    const first = start()
    await double.opened(1)
    double.send(event('create', tomorrow))
    await first.until(() => first.records.length === 1)
    await first.stop()
    clock.now = begins + hour
    double.database.push({ updated: startOfStream, object: tomorrow })
    const second = start(first.cursors.at(-1))
    await second.until(() => second.records.length === 1)
    assert.equal(alerts(second.records).length, 1)
  })

  const gone: Record<string, (double: { database: { object: Stix; updated: number }[] }) => void> =
    {
      'was deleted meanwhile': () => {},
      'was revoked meanwhile': ({ database }) => {
        const object = indicator(pattern, { ...tomorrow, revoked: true })
        database.push({ updated: startOfStream, object })
      },
    }
  for (const [what, happens] of Object.entries(gone))
    test(`that ${what} is asked for, and no alert`, async (t) => {
      const { double, clock, start, alerts, beat } = await stage(t)
      const reader = start()
      await double.opened(1)
      double.send(event('create', tomorrow))
      await reader.until(() => reader.records.length === 1)
      happens(double)
      clock.now = begins
      beat()
      await reader.until(() => reader.records.length === 2)
      assert.deepEqual(alerts(reader.records.slice(1)), [])
    })

  test('is asked for again when the platform was away at its time', async (t) => {
    const { double, clock, start, alerts, beat } = await stage(t)
    const reader = start()
    await double.opened(1)
    double.send(event('create', tomorrow))
    await reader.until(() => reader.records.length === 1)
    clock.now = begins
    double.cut()
    await double.opened(2)
    double.database.push({ updated: startOfStream, object: tomorrow })
    beat()
    await reader.until(() => reader.records.length === 2)
    assert.equal(alerts(reader.records.slice(1)).length, 1)
  })
})

describe('what waits for its time', () => {
  const settings = Settings.parse({})
  const keep = (later: Later, record: unknown) =>
    keepForLater(later, record, settings, startOfStream)

  test('is what would be an alert then, and nothing else', () => {
    const later: Later = new Map()
    const never = [
      indicator(pattern),
      indicator(pattern, { ...tomorrow, revoked: true }),
      indicator("[domain-name:value = 'example.com']", { valid_from: tomorrow.valid_from }),
      indicator(pattern, { ...tomorrow, valid_until: tomorrow.valid_from }),
      indicator(pattern, { ...tomorrow, labels: ['cordon'] }),
      { ...tomorrow, id: 'malware--1', type: 'malware' },
    ]
    for (const object of never) keep(later, event('create', object))
    assert.deepEqual([...later], [])
    for (const junk of [null, 7, '{', new Problem('malformed_json', 'no')]) keep(later, junk)
    assert.deepEqual([...later], [])
  })

  test('is forgotten when it is deleted, leaves the stream, or holds by a change', () => {
    for (const change of [
      event('delete', tomorrow, { at: 2 }),
      event('delete', tomorrow, { at: 2, type: 'update' }),
      event('update', indicator(pattern, modified(2)), { at: 2 }),
    ]) {
      const later: Later = new Map()
      keep(later, event('create', tomorrow))
      assert.equal(later.size, 1)
      keep(later, change)
      assert.equal(later.size, 0)
    }
  })

  test('has a bound, above which it is said and not kept in silence', () => {
    const later: Later = new Map()
    const many = Array.from({ length: 1_001 }, (_, n) => {
      const one = indicator(patternOf(`2001:db8::${n.toString(16)}`))
      return keep(later, event('create', { ...one, valid_from: tomorrow.valid_from }))
    })
    const said = many.flatMap((problem) => problem ?? [])
    assert.deepEqual([said.length, said[0]?.code, later.size], [1, 'too_large', 1_000])
    assert.match(said[0]?.remedy ?? '', /2026-03-01T11:00:00/)
    assert.equal(dueOf(later, begins, 100).length, 100)
    assert.deepEqual(dueOf(later, begins - 1, 100), [])
  })
})
