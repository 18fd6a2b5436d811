/** A cluster of version 8, which refuses every word of the vendor's client for 9, is asked and written to all the same. */
import assert from 'node:assert/strict'
import { after, beforeEach, describe, test } from 'node:test'
import { connector } from '../../connectors/elastic/connector.ts'
import { elasticWorld, sayError, startElastic } from '../doubles/elastic.ts'
import { documentsOf } from '../doubles/elastic-writes.ts'
import { give, result } from './elastic-results-world.ts'
import { elasticAlert, elasticSettings, followElastic, idsOf, start } from './elastic-world.ts'

const stop = AbortSignal.timeout(120_000)

describe('an Elasticsearch 8', () => {
  const world = elasticWorld()
  const server = startElastic(world)
  const settingsOf = async (more: Record<string, unknown> = {}) =>
    elasticSettings((await server).url, more)
  beforeEach(() => {
    Object.assign(world, elasticWorld({ major: 8 }))
    world.alerts = [1, 2, 3].map((n) => elasticAlert(n, start + n))
  })
  after(async () => (await server).close())

  test('is asked for its alerts in its own words, after one try in those of 9', async () => {
    const { look, stop } = followElastic(await settingsOf())
    assert.deepEqual(idsOf(await look()), [1, 2, 3])
    const pits = world.asked.filter((line) => line.endsWith('/_pit') && line.startsWith('POST'))
    // The second for the look at what was written late is not asked for yet.
    assert.equal(pits.length, 2)
    await look()
    assert.equal(world.asked.filter((line) => line.startsWith('POST /.alerts')).length, 3)
    await stop()
  })

  test('takes results, each once', async () => {
    const [sink] = connector.sinks?.(await settingsOf({ results: true })) ?? []
    assert.ok(sink)
    for (const batch of [
      [result(1), result(2)],
      [result(2), result(3)],
    ])
      assert.deepEqual(await give(sink, ...batch), [])
    await sink.close?.()
    assert.deepEqual(
      documentsOf(world, 'logs-cordon.results-default').map(({ event }) => Object(event).sequence),
      [1, 2, 3],
    )
    assert.ok(world.written.templates.has('logs-cordon.results'))
  })

  test('is found well when it is tried', async () => {
    const findings = (await connector.test?.(await settingsOf({ results: true }), stop)) ?? []
    assert.deepEqual(
      findings.filter((finding) => 'problem' in finding),
      [],
    )
    assert.ok(findings.length > 4)
  })

  test('that became a 9 meanwhile is spoken to on', async () => {
    const { look, stop } = followElastic(await settingsOf())
    await look()
    world.major = 9
    world.alerts.push(elasticAlert(4, start + 4))
    assert.deepEqual(idsOf(await look()), [4])
    await stop()
  })

  test('that refuses for another reason is not asked twice', async () => {
    const { look, stop } = followElastic(await settingsOf())
    world.faults.push({ on: /_pit$/, answer: (response) => sayError(response, 400, 'x') })
    await assert.rejects(look(), { code: 'invalid_input' })
    assert.equal(world.asked.length, 1)
    await stop()
  })
})

test('a cluster of version 7 is told of as one that is not spoken to', async (t) => {
  const { url, close } = await startElastic(elasticWorld({ major: 7 }))
  t.after(close)
  const { look, stop: end } = followElastic(elasticSettings(url))
  await assert.rejects(look(), { code: 'invalid_input', remedy: /version 8 or 9/ })
  await end()
})
