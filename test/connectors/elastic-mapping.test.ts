/** What the service really gives fits what the data stream expects, field by field. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { maybeAddress } from '#contract/address.ts'
import type { Result, Sink } from '#contract/result.ts'
import { startResults } from '../../actions/results/sinks.ts'
import { appendJournal } from '../../actions/store/journal.ts'
import { connector } from '../../connectors/elastic/connector.ts'
import { indexTemplate } from '../../connectors/elastic/results/resources.ts'
import { planOf } from '../../connectors/elastic/results/sink.ts'
import { Settings } from '../../connectors/elastic/settings.ts'
import { isObject, type JsonObject } from '../../connectors/read-path.ts'
import { elasticWorld, startElastic } from '../doubles/elastic.ts'
import { documentsOf } from '../doubles/elastic-writes.ts'
import { holdTime } from '../held-time.ts'
import { openTestService, record, type TestService } from '../service.ts'
import { give } from './elastic-results-world.ts'
import { elasticSettings } from './elastic-world.ts'

const { mappings } = indexTemplate(planOf(Settings.parse({}))).template

test('every result of a day in the life of the service fits the mapping and is found by its fields', async () => {
  const results = await aDay()
  const actions = new Set(results.map(({ action }) => action))
  for (const action of ['alert.judged', 'decision.issue', 'decision.lift', 'decision.wait'])
    assert.ok(actions.has(action), action)
  for (const action of ['receipt.applied', 'receipt.refused', 'node.enrol', 'policy.change'])
    assert.ok(actions.has(action), action)

  const world = elasticWorld()
  const { url, close } = await startElastic(world)
  const [sink] = connector.sinks?.(elasticSettings(url, { results: true })) ?? []
  assert.ok(sink)
  try {
    assert.deepEqual(await give(sink, ...results), [])
  } finally {
    await sink.close?.()
    await close()
  }
  const documents = documentsOf(world, 'logs-cordon.results-default')
  assert.equal(documents.length, results.length)
  for (const document of documents) assert.deepEqual(misfits(document, mappings.properties), [])
})

test('a misfit is found out', () => {
  const wrong = {
    '@timestamp': 'yesterday',
    source: { ip: '203.0.113.0/24' },
    event: 'text',
    cordon: { nobody_knows: 1 },
  }
  assert.deepEqual(misfits(wrong, mappings.properties), [
    '@timestamp is no date',
    'source.ip is no ip',
    'event is no object',
    'cordon.nobody_knows is not mapped',
  ])
})

async function aDay(): Promise<Result[]> {
  const service = await openTestService({ keepsWords: true })
  const time = holdTime(service.clock)
  const taken: Result[] = []
  const sink: Sink = {
    key: 'test/all',
    wants: () => true,
    most: 100,
    take: async (results) => {
      taken.push(...results)
      return []
    },
  }
  const { store, log, now, followed } = service.flow
  const parts = { store, issuer: 'cordon-test', log, now, pause: time.pause }
  const running = await startResults(parts, [{ connector: 'webhook', sink }], followed)
  store.onCommit(running.wake)
  await service.enrol('web-01')
  const kept = await block(service, '203.0.113.7')
  const other = await block(service, '2001:db8::7', { victim: '198.51.100.4', victim_port: 22 })
  await block(service, '203.0.113.8', { severity: 50 })
  const heard = { audience: 'all', epoch: 1, at: now() }
  await service.flow.acknowledge('web-01', [
    { ...heard, decision: kept, status: 'applied', seq: 1 },
    { ...heard, decision: other, status: 'refused', seq: 2, code: 'protected' },
  ])
  await service.ask('POST', `/v1/decisions/${kept}/lift`, { body: { reason: 'it was us' } })
  await service.ask('POST', '/v1/tokens', { body: { name: 'siem', scopes: ['read'] } })
  await store.write(async (tx) => {
    const change = { before: { policy: 'rules: []' }, after: { policy: 'rules: []\n' } }
    const line = { actor: 'token/alice', action: 'policy.change', subject: 'policy', ...change }
    await appendJournal(tx, [{ at: now(), ...line }])
  })
  await time.pass(60_000)
  await running.stop()
  await service.close()
  return taken
}

async function block(service: TestService, attacker: string, more: object = {}): Promise<string> {
  const answer = await service.alert(record(attacker, { ...more }))
  const decision = answer.body.items[0]?.alerts?.[0]?.decision
  assert.ok(decision, answer.text)
  return decision
}

/** As the mapping would judge: an object is no value, dates, addresses and numbers are such, and ours are all known. */
function misfits(document: JsonObject, properties: unknown, path = ''): string[] {
  return Object.entries(document).flatMap(([key, value]) => {
    const at = `${path}${key}`
    const mapped = isObject(properties) ? properties[key] : undefined
    if (!isObject(mapped)) return path.startsWith('cordon.') ? [`${at} is not mapped`] : []
    if (mapped.type === 'flattened') return isObject(value) ? [] : [`${at} is no object`]
    if (isObject(mapped.properties))
      return isObject(value) ? misfits(value, mapped.properties, `${at}.`) : [`${at} is no object`]
    const wrong = [value].flat().some((one) => !fits(one, mapped.type))
    return wrong ? [`${at} is no ${String(mapped.type)}`] : []
  })
}

function fits(value: unknown, type: unknown): boolean {
  if (type === 'object') return isObject(value)
  if (isObject(value)) return false
  if (type === 'ip')
    return typeof value === 'string' && maybeAddress(value)?.text === value && !value.includes('/')
  if (type === 'date') return typeof value === 'string' && !Number.isNaN(Date.parse(value))
  if (type === 'long') return Number.isInteger(value)
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
}
