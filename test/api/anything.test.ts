/** Whatever anybody sends: every operation answers as its document says, and never with a fault of its own. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import fc from 'fast-check'
import { openTestService, record, type TestNode, type TestService } from '../service.ts'

const word = fc.oneof(
  fc.constantFrom(
    '203.0.113.7',
    '2001:db8::/32',
    '0.0.0.0/0',
    'all',
    'group/x',
    '1h',
    '-1',
    '0',
    'block',
    '',
    ' ',
  ),
  fc.string({ unit: 'binary', maxLength: 30 }),
)
const value = fc.oneof(
  word,
  fc.jsonValue({ maxDepth: 3 }),
  fc.double(),
  fc.constantFrom(null, true, 1e300, -1),
)
const field = fc.oneof(
  fc.constantFrom(
    'target',
    'for',
    'reason',
    'audience',
    'direction',
    'name',
    'scopes',
    'groups',
    'secret',
    'key',
    'statement',
    'receipts',
    'attacker',
    'src_ip',
    'rule',
    'severity',
    'timestamp',
    'id',
    'count',
    'user',
    'agent',
    'data',
    'alert',
    'event_type',
    '__proto__',
  ),
  fc.string({ maxLength: 10 }),
)
const body = fc
  .oneof(
    { weight: 4, arbitrary: fc.dictionary(field, value, { maxKeys: 6, noNullPrototype: true }) },
    {
      weight: 1,
      arbitrary: fc.array(fc.dictionary(field, value, { maxKeys: 4, noNullPrototype: true }), {
        maxLength: 5,
      }),
    },
    { weight: 1, arbitrary: value },
  )
  .map((one) => JSON.stringify(one) ?? '')

describe('anything at all', () => {
  let service: TestService
  let node: TestNode
  before(async () => {
    service = await openTestService()
    node = await service.enrol('web-01', ['web'])
    await service.alert([record('203.0.113.7'), record('203.0.113.8', { severity: 50 })])
  })
  after(() => service.close())

  test('as the body of any operation is answered as documented', async () => {
    const places = operations('post')
    assert.ok(places.length > 15)
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...places),
        word,
        body,
        fc.boolean(),
        async (path, id, text, asNode) => {
          service.clock.now += 1_000
          const token = asNode ? node.bearer() : service.admin
          await service.ask('POST', fill(path, id), { token, body: text })
        },
      ),
      { numRuns: 1_500 },
    )
  })

  test('as parameters of any operation is answered as documented', async () => {
    const places = operations('get').filter((path) => path !== '/v1/stream')
    const names = fc.constantFrom(
      'limit',
      'before',
      'state',
      'target',
      'attacker',
      'address',
      'after',
      'subject',
      'audience',
      'nonce',
      'wait_s',
      'x',
    )
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(...places),
        word,
        fc.dictionary(names, word, { maxKeys: 3 }),
        fc.boolean(),
        async (path, id, query, asNode) => {
          service.clock.now += 1_000
          const token = asNode ? node.bearer() : service.admin
          await service.ask('GET', `${fill(path, id)}?${new URLSearchParams(query)}`, { token })
        },
      ),
      { numRuns: 1_000 },
    )
  })

  test('as a record of any connector is answered record by record, and what is good beside it is stored', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('webhook', 'wazuh', 'suricata'),
        fc.array(body, { maxLength: 5 }),
        async (connector, texts) => {
          const answer = await service.ask('POST', `/v1/alerts/${connector}`, {
            body: `[${texts.join(',')}]`,
          })
          assert.equal(answer.status, 200)
          assert.equal(answer.body.items.length, texts.length)
          for (const { problem } of answer.body.items)
            assert.notEqual(problem?.code, 'internal', problem?.detail ?? '')
          const good = await service.alert(record('203.0.113.9'))
          assert.equal(good.body.stored, 1)
        },
      ),
      { numRuns: 400 },
    )
  })

  function operations(method: string): string[] {
    return service.app.openAPIRegistry.definitions.flatMap((definition) =>
      definition.type === 'route' && definition.route.method === method
        ? [definition.route.path]
        : [],
    )
  }
})

function fill(path: string, id: string): string {
  return path.replace(/\{\w+\}/, encodeURIComponent(id.toWellFormed()).replace(/^\.{0,2}$/, 'x'))
}
