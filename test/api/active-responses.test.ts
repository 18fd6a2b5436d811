/** POST /v1/active-responses/{connector} at the front door: who may, what it answers, and what one bad order does to the rest. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { orderLine } from '../manifests/wazuh-host.ts'
import { openTestService, type TestServiceOptions } from '../service.ts'

const path = '/v1/active-responses/wazuh'

test('orders are answered one by one, and a bad one harms no other', async (t) => {
  const service = await open(t)
  const { status, body } = await service.ask('POST', path, {
    body: request([
      { line: orderLine('add', '203.0.113.7') },
      { line: { command: 'add' } },
      { line: 'no JSON' },
      { line: JSON.parse(orderLine('add', '10.0.0.1')) },
      { line: JSON.parse(orderLine('add', '203.0.113.8')), age_s: 5 },
    ]),
  })
  assert.equal(status, 200)
  const results = resultsOf(body)
  assert.deepEqual(
    results.map(({ did }) => did),
    ['blocked', 'refused', 'refused', 'refused', 'blocked'],
  )
  assert.match(results[1]?.said ?? '', /names no attacker/)
})

test('whoever wants text gets one line for each, and no control characters', async (t) => {
  const service = await open(t)
  const alert = { rule: { id: '1', description: 'a\u001b[31m\u202eb' }, data: {} }
  const line = { command: 'add', parameters: { alert } }
  const { text, headers } = await service.ask('POST', path, {
    headers: { accept: 'text/plain' },
    body: request([{ line }, { line: orderLine('add', '203.0.113.7') }]),
  })
  assert.match(headers.get('content-type') ?? '', /^text\/plain/)
  const lines = text.trimEnd().split('\n')
  assert.equal(lines.length, 2)
  assert.match(lines[0] ?? '', /^refused: the alert \(rule 1: a\\u\{1b\}\[31m\\u\{202e\}b\)/)
  assert.match(lines[1] ?? '', /^blocked: 203\.0\.113\.7 is blocked until 2026-/)
})

test('it needs the right to respond, and a connector that takes orders', async (t) => {
  const service = await open(t)
  const body = request([{ line: orderLine('add', '203.0.113.7') }])
  const ingest = await service.token(['ingest'])
  const refused = await service.ask('POST', path, { token: ingest, body })
  assert.equal(refused.status, 403)
  assert.match(refused.text, /it needs respond/)
  assert.equal((await service.ask('POST', path, { token: null, body })).status, 401)
  const { status, text } = await service.ask('POST', '/v1/active-responses/suricata', { body })
  assert.equal(status, 404)
  assert.match(text, /running are wazuh/)
})

test('without any timeout a block lasts as the policy says, and any delete ends it', async (t) => {
  const service = await open(t, { policy: withDefault })
  await service.ask('POST', path, {
    body: request([{ line: orderLine('add', '203.0.113.7') }], []),
  })
  const [decision] = (await service.ask('GET', '/v1/decisions')).body.decisions
  assert.equal(Date.parse(decision?.not_after ?? '') - service.clock.now, 2 * 3_600_000)
  service.clock.now += 5_000
  const { body } = await service.ask('POST', path, {
    body: request([{ line: orderLine('delete', '203.0.113.7') }], []),
  })
  assert.equal(resultsOf(body)[0]?.did, 'lifted')
})

test('two audiences are two blocks, and a delete ends that of its own', async (t) => {
  const service = await open(t)
  const say = async (command: string, node: string) =>
    resultsOf(
      (
        await service.ask('POST', path, {
          body: {
            ...request([{ line: orderLine(command, '203.0.113.7') }]),
            audience: [`node/${node}`],
          },
        })
      ).body,
    )[0]?.did
  assert.deepEqual([await say('add', 'web-01'), await say('add', 'web-02')], ['blocked', 'blocked'])
  service.clock.now += 601_000
  assert.equal(await say('delete', 'web-01'), 'lifted')
  const { decisions } = (await service.ask('GET', '/v1/decisions?state=issued')).body
  assert.deepEqual(
    decisions.map(({ audience }) => audience),
    [['node/web-02']],
  )
})

test('what a person extended is let go of by nobody else', async (t) => {
  const service = await open(t)
  await service.ask('POST', path, { body: request([{ line: orderLine('add', '203.0.113.7') }]) })
  const [decision] = (await service.ask('GET', '/v1/decisions')).body.decisions
  const body = { for: '7d', reason: 'still scanning' }
  await service.ask('POST', `/v1/decisions/${decision?.id}/extend`, { body })
  service.clock.now += 601_000
  const answer = await service.ask('POST', path, {
    body: request([{ line: orderLine('delete', '203.0.113.7') }]),
  })
  assert.equal(resultsOf(answer.body)[0]?.did, 'nothing')
  assert.equal((await service.ask('GET', '/v1/decisions?state=issued')).body.decisions.length, 1)
})

test('the same request again changes nothing, and the journal holds each change once', async (t) => {
  const service = await open(t)
  const body = request([
    { line: orderLine('add', '203.0.113.7') },
    { line: orderLine('add', '203.0.113.7') },
  ])
  for (let again = 0; again < 3; again++) await service.ask('POST', path, { body })
  const { text } = await service.ask('GET', '/v1/journal?limit=100')
  assert.equal(text.match(/"decision\.issue"/g)?.length, 1)
  assert.equal(text.match(/"decision\.extend"/g), null)
  assert.equal((await service.ask('GET', '/v1/journal/verify')).body.whole, true)
})

const withDefault = `
version: 1
defaults: { for: 2h }
rules:
  - { name: severe, because: it is severe, when: alert.severity >= 70, verdict: block, for: 1h }
`

async function open(t: TestContext, options: TestServiceOptions = {}) {
  const service = await openTestService(options)
  t.after(() => service.close())
  return service
}

function request(orders: readonly object[], timeouts_s = [600]) {
  return { host: 'web-01', timeouts_s, orders }
}

function resultsOf(body: { [key: string]: unknown }): { did: string; said: string }[] {
  const { results } = body
  assert.ok(Array.isArray(results))
  return results
}
