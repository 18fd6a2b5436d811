/** From Elastic and Splunk to the decisions: over real connections, into a real store, with what fails in between. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import { z } from 'zod'
import type { Connector, Source } from '#contract/connector.ts'
import { Problem } from '#contract/problem.ts'
import { followSources, type SourceHealth } from '../../actions/flow/pull.ts'
import type { RunningConnector } from '../../actions/flow/receive.ts'
import { patienceMs, watchAbsence } from '../../connectors/absent-file.ts'
import { connector as elastic } from '../../connectors/elastic/connector.ts'
import { followFile } from '../../connectors/follow-file.ts'
import { connector as splunk } from '../../connectors/splunk/connector.ts'
import { connector as suricata } from '../../connectors/suricata/connector.ts'
import { elasticWorld, sayError, startElastic } from '../doubles/elastic.ts'
import { splunkWorld, startSplunk } from '../doubles/splunk.ts'
import { openTestService } from '../service.ts'
import { elasticAlert, elasticSettings, start } from './elastic-world.ts'

const policy = `
version: 1
ceilings: { blocks_per_minute: 100000 }
rules:
  - { name: severe, because: it is severe, when: alert.severity >= 40, verdict: block, for: 1h }
`
const targets = [1, 2, 3, 4, 5].map((n) => `203.0.113.${n}`)

describe('alerts of Elastic', () => {
  test('become blocks, each once, whatever the cluster does between two pages', async (t) => {
    const world = elasticWorld({
      alerts: targets.map((ip, n) => elasticAlert(n, start + n * 1_000, { source: { ip } })),
    })
    const { url, close } = await startElastic(world)
    t.after(close)
    for (const status of [500, 429, 401])
      world.faults.push({
        on: /POST \/_search/,
        answer: (response) => sayError(response, status, 'x'),
      })
    const settings = elasticSettings(url, { every: '20ms' })
    const { until, decisions, health, restart } = await follow(t, { connector: elastic, settings })
    await until(() => health().records === targets.length && health().state === 'following')
    assert.deepEqual(await decisions(), targets)
    await restart()
    world.alerts.push(elasticAlert(9, start, { source: { ip: '203.0.113.9' } }))
    // The overlap is read again, and recognised.
    await until(() => health().records === targets.length + 1)
    assert.deepEqual(await decisions(), [...targets, '203.0.113.9'])
  })

  test('are shown as not followed, and why, while the key is refused', async (t) => {
    const world = elasticWorld({ authorization: 'ApiKey another' })
    const { url, close } = await startElastic(world)
    t.after(close)
    const settings = elasticSettings(url, { every: '20ms' })
    const { until, health } = await follow(t, { connector: elastic, settings })
    await until(() => health().state === 'failing')
    assert.equal(health().problem, 'elasticsearch refuses the key or the password')
    world.authorization = 'ApiKey a2V5OnNlY3JldA=='
    await until(() => health().state === 'following' && health().problem === undefined)
  })
})

describe('an alert that cannot be understood', () => {
  test('is shown with its id and why until others came, and held up none', async (t) => {
    const alert = (n: number) =>
      elasticAlert(n, start + n * 1_000, { source: { ip: `203.0.113.${n}` } })
    const [good, bad] = [alert(1), alert(2)]
    delete bad._source['kibana.alert.rule.name']
    delete bad._source['kibana.alert.rule.rule_id']
    const world = elasticWorld({ alerts: [good, bad] })
    const { url, close } = await startElastic(world)
    t.after(close)
    const settings = elasticSettings(url, { every: '20ms', sweep: '20ms' })
    const { until, decisions, health } = await follow(t, { connector: elastic, settings })
    await until(() => health().refused === 1)
    const asked = world.asked.length
    // Looks that bring nothing do not hide it.
    await until(() => world.asked.length > asked + 20)
    assert.equal(health().state, 'following')
    assert.match(
      health().problem ?? '',
      /^a record \(0{63}2\) was refused: the alert names no rule$/,
    )
    assert.equal(health().code, 'invalid_input')
    assert.ok(health().remedy)
    world.alerts.push(alert(3))
    await until(() => health().problem === undefined)
    assert.deepEqual(await decisions(), ['203.0.113.1', '203.0.113.3'])
  })
})

describe('rows of Splunk', () => {
  test('become blocks, each once, though every run reaches back and one breaks off', async (t) => {
    const world = splunkWorld({
      events: targets.map((src, n) => ({
        at: start - 1_000,
        row: { src, _bkt: 'main~1', _cd: `1:${n}`, _time: '2026-07-01T09:59:59.000Z' },
      })),
    })
    const { port, close } = await startSplunk(world)
    t.after(close)
    world.faults.push((response, rows) => {
      response.write(`${rows.slice(0, 3).join('\n')}\n`, () => response.destroy())
    })
    const settings = splunk.settings.parse({
      host: '127.0.0.1',
      port,
      security: 'none',
      token: 'token-1',
      search: 'index=main',
      from: '2026-07-01T09:59:00Z',
      every: '20ms',
      longest_window: '1d',
    })
    const { until, decisions, health, restart } = await follow(t, { connector: splunk, settings })
    await until(() => health().records >= targets.length)
    await restart()
    await until(() => world.asked.length >= 4)
    assert.deepEqual(await decisions(), targets)
  })
})

test('a log file that could not be read for a moment is shown as followed again, though nothing comes', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'cordon-quiet-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'eve.json')
  writeFileSync(path, '')
  const source = followFile({ key: 'file', path, from: 'end' })
  let started = 0
  const sources = (): Source[] => [
    {
      key: source.key,
      follow: async function* (cursor, stop) {
        if (++started === 2) throw new Problem('store_unavailable', 'the disk did not answer')
        for await (const page of source.follow(cursor, stop)) {
          yield page
          if (started === 1) throw new Problem('store_unavailable', 'the disk did not answer')
        }
      },
    },
  ]
  const settings = suricata.settings.parse({})
  const { until, health } = await follow(t, { connector: { ...suricata, sources }, settings })
  await until(() => started === 3)
  await until(() => health().state === 'following' && health().problem === undefined)
})

describe('a log file that is not there', () => {
  test('is shown as not followed, with its path, until it is there', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'cordon-absent-'))
    t.after(() => rmSync(folder, { recursive: true, force: true }))
    const path = join(folder, 'eve.json')
    let clock = 0
    // Each look is longer after the one before than anybody waits for a rotation.
    const monotonic = () => (clock += 60_000)
    const sources = () => [followFile({ key: 'file', path, from: 'end' as const, monotonic })]
    const connector = { ...suricata, sources }
    const settings = suricata.settings.parse({})
    const { until, health } = await follow(t, { connector, settings })
    await until(() => health().state === 'failing')
    assert.equal(health().problem, `there is no file ${path}`)
    assert.equal(health().code, 'not_found')
    writeFileSync(path, '')
    await until(() => health().state === 'following' && health().problem === undefined)
    rmSync(path)
    await until(() => health().state === 'failing')
  })

  test('for the moment of a rotation is no trouble', async () => {
    let now = 0
    const absence = watchAbsence('/nowhere/eve.json', () => now)
    assert.equal(await absence.look(), undefined)
    now = patienceMs - 1
    assert.equal(await absence.look(), undefined)
    now = patienceMs
    assert.ok((await absence.look()) instanceof Problem)
    now += patienceMs
    assert.equal(await absence.look(), undefined, 'it is said once')
  })
})

/** Real pauses of 20 ms, for a source waits by its own clock. */
async function follow(t: TestContext, running: RunningConnector) {
  const service = await openTestService({ policy, now: start + 60_000 })
  const { store, recorder, log, now } = service.flow
  const parts = { store, recorder, log, now, pause: async () => {} }
  const lines: SourceHealth[] = []
  let followed = followSources(parts, [running], lines)
  t.after(async () => {
    await followed.stop()
    await service.close()
  })
  const health = (): SourceHealth => {
    const [line] = lines
    assert.ok(line)
    return line
  }
  return {
    health,
    restart: async () => {
      await followed.stop()
      lines.length = 0
      followed = followSources(parts, [running], lines)
    },
    decisions: async () => {
      const rows = await store.read.selectFrom('decisions').select('target').execute()
      return rows.map(({ target }) => target).sort()
    },
    until: async (holds: () => boolean) => {
      for (const deadline = Date.now() + 60_000; !holds(); ) {
        assert.ok(Date.now() < deadline, JSON.stringify(lines))
        await new Promise((done) => setTimeout(done, 5))
      }
    },
  }
}

test('a source that breaks off after the same records each time is left alone for longer and longer', async (t) => {
  const service = await openTestService()
  t.after(() => service.close())
  const { store, recorder, log, now } = service.flow
  const pauses: number[] = []
  const ending = Promise.withResolvers<void>()
  const source: Source = {
    key: 'test',
    async *follow() {
      yield { records: [{}], cursor: 'here' }
      throw new Problem('service_unreachable', 'it breaks off')
    },
  }
  const connector: Connector = {
    name: 'test',
    title: 'Test',
    settings: z.unknown(),
    read: () => [],
  }
  const running = { connector: { ...connector, sources: () => [source] }, settings: {} }
  const pause = async (ms: number) => {
    pauses.push(ms)
    if (pauses.length === 4) ending.resolve()
    await new Promise((done) => setImmediate(done))
  }
  const health: SourceHealth[] = []
  const followed = followSources({ store, recorder, log, now, pause }, [running], health)
  await ending.promise
  await followed.stop()
  // The first time the records led from nowhere to somewhere.
  assert.deepEqual(pauses.slice(0, 4), [500, 1_000, 2_000, 4_000])
})
