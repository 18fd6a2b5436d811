/** Who may do what: tokens, nodes, strangers; and that no secret is ever written down. */
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { describe, type TestContext, test } from 'node:test'
import { printEnrolmentToken, readEnrolmentToken } from '#contract/enrolment.ts'
import { PublicKey } from '#contract/key.ts'
import type { Scope } from '../../actions/store/tokens.ts'
import { makeNode, openTestService, record, type TestNode, type TestService } from '../service.ts'

const nonce = 'n'.repeat(22)

/** One operation for each kind of access, and the scopes that may. */
const operations: { ask: ['GET' | 'POST', string, object?]; may: Scope[] }[] = [
  { ask: ['POST', '/v1/alerts/webhook', record('203.0.113.1')], may: ['ingest', 'admin'] },
  { ask: ['GET', '/v1/alerts'], may: ['read', 'review', 'admin'] },
  { ask: ['GET', '/v1/decisions'], may: ['read', 'review', 'admin'] },
  { ask: ['GET', '/v1/why?address=203.0.113.7'], may: ['read', 'review', 'admin'] },
  { ask: ['GET', '/v1/nodes'], may: ['read', 'review', 'admin'] },
  { ask: ['GET', '/v1/journal'], may: ['read', 'review', 'admin'] },
  { ask: ['GET', '/v1/policy'], may: ['read', 'review', 'admin'] },
  { ask: ['GET', '/metrics'], may: ['read', 'review', 'admin'] },
  {
    ask: ['POST', '/v1/decisions', { target: '203.0.113.9', for: '1h', reason: 'test' }],
    may: ['review', 'admin'],
  },
  {
    ask: ['POST', '/v1/addresses/lift', { target: '203.0.113.9', reason: 'test' }],
    may: ['review', 'admin'],
  },
  {
    ask: ['POST', '/v1/active-responses/wazuh', { host: 'web-01', orders: [{ line: {} }] }],
    may: ['respond', 'review', 'admin'],
  },
  { ask: ['GET', '/v1/tokens'], may: ['admin'] },
  { ask: ['POST', '/v1/tokens', { name: 'more', scopes: ['read'] }], may: ['admin'] },
  { ask: ['POST', '/v1/nodes/tokens', {}], may: ['admin'] },
  { ask: ['POST', '/v1/nodes/web-01/groups', { groups: [] }], may: ['admin'] },
  { ask: ['POST', '/v1/keys/rotate'], may: ['admin'] },
  { ask: ['POST', '/v1/policy/reload'], may: ['admin'] },
  { ask: ['POST', '/v1/epoch'], may: ['admin'] },
  { ask: ['GET', `/v1/snapshot?audience=all&nonce=${nonce}`], may: [] },
  { ask: ['POST', '/v1/proof', { statement: 'eyJ' }], may: [] },
  { ask: ['GET', '/v1/stream'], may: [] },
]

describe('a token', () => {
  for (const scope of ['ingest', 'read', 'respond', 'review', 'admin'] as const)
    test(`for ${scope} may do what it is for and nothing else`, async (t) => {
      const service = await open(t)
      await service.enrol('web-01')
      const token = await service.token([scope])
      for (const { ask, may } of operations) {
        const [method, path, body] = ask
        const { status } = await service.ask(method, path, { token, body: body ?? {} })
        assert.equal(status !== 403, may.includes(scope), `${scope} ${method} ${path}: ${status}`)
      }
    })

  test('of a node may do none of what people do', async (t) => {
    const service = await open(t)
    const node = await service.enrol('web-01')
    for (const { ask, may } of operations) {
      const [method, path, body] = ask
      if (may.length === 0) continue
      const answer = await service.ask(method, path, { token: node.bearer(), body: body ?? {} })
      assert.equal(answer.body.code, 'forbidden', `${method} ${path}`)
    }
  })

  test('that ended, was revoked, is unknown or is none is refused', async (t) => {
    const service = await open(t)
    const short = await service.token(['read'], 60_000)
    const ask = (token: string | null, headers = {}) =>
      service.ask('GET', '/v1/decisions', { token, headers })
    assert.equal((await ask(short)).status, 200)
    service.clock.now += 60_000
    assert.deepEqual(
      [(await ask(short)).status, (await ask(short)).body.code],
      [401, 'token_expired'],
    )
    const made = await service.ask('POST', '/v1/tokens', {
      body: { name: 'gone', scopes: ['read'] },
    })
    const secret = made.body.secret ?? ''
    const { id } = JSON.parse(made.text).token
    assert.equal((await ask(secret)).status, 200)
    assert.equal((await service.ask('POST', `/v1/tokens/${id}/revoke`)).status, 200)
    assert.equal((await service.ask('POST', `/v1/tokens/${id}/revoke`)).status, 404)
    for (const token of [secret, 'cordon_0000', 'x'.repeat(5_000), 'ey', 'eyJ.eyJ.x', null])
      assert.deepEqual(
        [(await ask(token)).status, (await ask(token)).body.code],
        [401, 'unauthenticated'],
      )
    for (const authorization of [
      '',
      'Basic YTpi',
      'Bearer',
      'Bearer a b',
      `Token ${service.admin}`,
    ])
      assert.equal((await ask(null, { authorization })).body.code, 'unauthenticated', authorization)
  })

  test('does not take a name that is in force, and takes that of a revoked one', async (t) => {
    const service = await open(t)
    const make = () =>
      service.ask('POST', '/v1/tokens', { body: { name: 'wazuh', scopes: ['ingest'] } })
    const { id } = JSON.parse((await make()).text).token
    const again = await make()
    assert.deepEqual([again.status, again.body.code], [409, 'conflict'])
    assert.match(again.body.remedy ?? '', new RegExp(`cordon token revoke ${id}`))
    await service.ask('POST', `/v1/tokens/${id}/revoke`)
    assert.equal((await make()).status, 201)
  })

  test('that is the last admin in force cannot be revoked, and can once there is another', async (t) => {
    const service = await open(t)
    await service.token(['admin'], 60_000)
    service.clock.now += 60_000
    const listed: { id: string; scopes: string[] }[] = JSON.parse(
      (await service.ask('GET', '/v1/tokens')).text,
    ).tokens
    const [first] = listed
    const revoke = () => service.ask('POST', `/v1/tokens/${first?.id}/revoke`)
    const refused = await revoke()
    assert.deepEqual([refused.status, refused.body.code], [409, 'conflict'])
    const body = { name: 'second-admin', scopes: ['admin'] }
    assert.equal((await service.ask('POST', '/v1/tokens', { body })).status, 201)
    assert.equal((await revoke()).status, 200)
  })

  test('for a time that no calendar has is refused and not made', async (t) => {
    const service = await open(t)
    const body = { name: 'long', scopes: ['read'], for: '99999999999999w' }
    assert.equal((await service.ask('POST', '/v1/tokens', { body })).status, 400)
    assert.equal(
      (await service.ask('POST', '/v1/nodes/tokens', { body: { for: body.for } })).status,
      400,
    )
    assert.ok(!(await service.ask('GET', '/v1/tokens')).text.includes('"long"'))
  })
})

describe('the token that a node signs', () => {
  test('is accepted at its time, also a second time, and refused once it has ended', async (t) => {
    const { service, node } = await withNode(t)
    const token = node.bearer()
    assert.equal(await snapshotStatus(service, token), 200)
    assert.equal(await snapshotStatus(service, token), 200)
    service.clock.now += 121_000
    assert.equal(await snapshotStatus(service, token), 401)
    assert.equal(await snapshotStatus(service, node.bearer()), 200)
  })

  test('is refused for another service, of another type, for too long, under another name or key', async (t) => {
    const { service, node } = await withNode(t)
    const other = await service.enrol('web-02')
    const iat = Math.floor(service.clock.now / 1_000)
    const [header = '', payload = '', signature = ''] = node.bearer().split('.')
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
    const shared = createHmac('sha256', JSON.stringify(node.key))
      .update(`${part({ alg: 'HS256', typ: 'cordon-node+jwt', kid: 'web-01' })}.${payload}`)
      .digest('base64url')
    for (const [why, token] of [
      ['another service', node.bearer({ aud: 'cordon-other' })],
      ['no audience', node.bearer({ aud: undefined })],
      ['another type', node.bearer({}, { typ: 'JWT' })],
      ['the type of an envelope', node.bearer({}, { typ: 'cordon-actions+jwt' })],
      ['longer than a minute', node.bearer({ exp: iat + 3_600 })],
      ['ended', node.bearer({ iat: iat - 300, exp: iat - 240 })],
      ['made for a day to come', node.bearer({ iat: iat + 86_400, exp: iat + 86_460 })],
      ['another node by kid', node.bearer({}, { kid: 'web-02' })],
      ['another node by name', node.bearer({ iss: 'web-02' })],
      ['another node by both', node.bearer({ iss: 'web-02' }, { kid: 'web-02' })],
      ['an unknown node', node.bearer({}, { kid: 'web-99' })],
      ['another key', makeNode('web-01', 'cordon-test', () => service.clock.now).bearer()],
      [
        'no signature',
        `${part({ alg: 'none', typ: 'cordon-node+jwt', kid: 'web-01' })}.${payload}.`,
      ],
      [
        'a shared secret',
        `${part({ alg: 'HS256', typ: 'cordon-node+jwt', kid: 'web-01' })}.${payload}.${shared}`,
      ],
      ['another payload', `${header}.${other.bearer().split('.')[1]}.${signature}`],
      [
        'a kid that is no text',
        `${part({ alg: 'ES256', typ: 'cordon-node+jwt', kid: { a: 1 } })}.${payload}.${signature}`,
      ],
      [
        'a payload that is none',
        `${part({ alg: 'ES256', typ: 'JWT', kid: 'web-01' })}.AAAA.${signature}`,
      ],
      ['further claims', node.bearer({ admin: true })],
    ] as const)
      assert.equal(await snapshotStatus(service, token), 401, why)
    assert.equal(await snapshotStatus(service, node.bearer()), 200)
  })

  test('is of no use once the node enrolled anew with another key', async (t) => {
    const { service, node } = await withNode(t)
    const old = node.bearer()
    assert.equal(await snapshotStatus(service, old), 200)
    await service.ask('POST', '/v1/nodes/web-01/revoke')
    assert.equal(await snapshotStatus(service, old), 403)
    const anew = await service.enrol('web-01')
    assert.equal(await snapshotStatus(service, old), 401)
    assert.equal(await snapshotStatus(service, anew.bearer()), 200)
  })
})

describe('an enrolment token', () => {
  const enrol = (service: TestService, secret: string, name: string, key: PublicKey) =>
    service.ask('POST', '/v1/enrol', { token: null, body: { secret, name, key } })

  test('carries what the first contact is checked against', async (t) => {
    const service = await open(t)
    const { token = '' } = (await service.ask('POST', '/v1/nodes/tokens', { body: { for: '10m' } }))
      .body
    const read = readEnrolmentToken(token)
    assert.deepEqual(
      [read.issuer, read.key, read.exp, read.tls],
      ['cordon-test', service.flow.keys.current().kid, service.clock.now / 1_000 + 600, undefined],
    )
    assert.equal(printEnrolmentToken(read), token)
  })

  test('works once, in time, for one name that is free', async (t) => {
    const service = await open(t)
    const taken = await service.enrol('web-01', ['web'])
    const invite = async () =>
      readEnrolmentToken(
        (await service.ask('POST', '/v1/nodes/tokens', { body: { for: '10m' } })).body.token ?? '',
      ).secret
    const secret = await invite()
    const { key } = makeNode('x', 'x', () => 0)
    assert.equal((await enrol(service, secret, 'web-01', key)).body.code, 'conflict')
    assert.equal((await enrol(service, secret, 'web-02', key)).status, 201)
    assert.deepEqual(
      [
        (await enrol(service, secret, 'web-03', key)).status,
        (await enrol(service, secret, 'web-03', key)).body.code,
      ],
      [409, 'token_used'],
    )
    assert.equal((await enrol(service, 'x'.repeat(40), 'web-03', key)).body.code, 'unauthenticated')
    const late = await invite()
    service.clock.now += 600_000
    assert.equal((await enrol(service, late, 'web-03', key)).body.code, 'token_expired')
    assert.equal(await snapshotStatus(service, taken.bearer()), 200)
  })

  test('is used by one of two nodes that come at once', async (t) => {
    const service = await open(t)
    const { secret } = readEnrolmentToken(
      (await service.ask('POST', '/v1/nodes/tokens', { body: {} })).body.token ?? '',
    )
    const answers = await Promise.all(
      ['a', 'b', 'c'].map((name) => enrol(service, secret, name, makeNode(name, 'x', () => 0).key)),
    )
    assert.deepEqual(answers.map(({ status }) => status).sort(), [201, 409, 409])
  })

  test('with a key that is none, or a private one, is refused', async (t) => {
    const service = await open(t)
    const { secret } = readEnrolmentToken(
      (await service.ask('POST', '/v1/nodes/tokens', { body: {} })).body.token ?? '',
    )
    const { key, privateKey } = makeNode('web-01', 'x', () => 0)
    for (const wrong of [
      { ...key, crv: 'P-521' },
      { ...key, x: 'x' },
      privateKey.export({ format: 'jwk' }),
      { kty: 'oct', k: 'a' },
    ]) {
      const answer = await service.ask('POST', '/v1/enrol', {
        token: null,
        body: { secret, name: 'web-01', key: wrong },
      })
      assert.equal(answer.body.code, 'invalid_input')
    }
    const off = { ...key, x: key.y }
    assert.equal(
      (await enrol(service, secret, 'web-01', PublicKey.parse(off))).body.code,
      'invalid_input',
    )
  })
})

describe('strangers', () => {
  test('are slowed down after fifty attempts, and known callers beside them are not', async (t) => {
    const service = await open(t)
    const guess = (n: number) => service.ask('GET', '/v1/decisions', { token: `cordon_${n}` })
    const codes = []
    for (let n = 0; n < 60; n++) codes.push((await guess(n)).status)
    assert.deepEqual([codes[0], codes[49], codes[50], codes[59]], [401, 401, 429, 429])
    assert.equal((await service.ask('GET', '/v1/decisions')).status, 200)
    service.clock.now += 1_000
    assert.equal((await guess(99)).status, 401)
  })

  test('without any token are slowed down too, but the service is seen to live', async (t) => {
    const service = await open(t)
    const body = { secret: 'x'.repeat(40), name: 'web-01', key: makeNode('x', 'x', () => 0).key }
    const codes = []
    for (let n = 0; n < 51; n++)
      codes.push((await service.ask('POST', '/v1/enrol', { token: null, body })).status)
    assert.deepEqual([codes[0], codes[50]], [401, 429])
    assert.equal((await service.ask('GET', '/healthz', { token: null })).status, 200)
  })

  test('who ask a little too fast get their share and not silence', async (t) => {
    const service = await open(t)
    const codes = []
    for (let n = 0; n < 200; n++) {
      service.clock.now += 60
      codes.push((await service.ask('GET', '/v1/decisions', { token: 'cordon_x' })).status)
    }
    assert.ok(codes.slice(-50).filter((code) => code === 401).length >= 25)
  })

  test('with a field name of megabytes are answered at once', async (t) => {
    const service = await open(t)
    const enrol = (length: number) => {
      const body = JSON.stringify({ ['k'.repeat(length)]: 1 })
      return service.ask('POST', '/v1/enrol', { token: null, body })
    }
    assert.equal((await enrol(8_000_000)).body.code, 'too_large')
    const answer = await enrol(60_000)
    assert.equal(answer.body.code, 'invalid_input')
    assert.ok(answer.text.length < 2_000)
  })

  test('may fill 64 KB and no more, while a node reports a thousand receipts at once', async (t) => {
    const { service, node } = await withNode(t)
    const note = (reason: string) =>
      service.ask('POST', '/v1/decisions', { body: { target: '203.0.113.7', for: '1h', reason } })
    assert.equal((await note('x'.repeat(65_536))).status, 413)
    assert.equal((await note('x'.repeat(60_000))).status, 400)
    const place = { audience: 'all', epoch: 1, seq: 1, at: service.clock.now }
    const receipts = Array.from({ length: 1_000 }, (_, n) => ({
      decision: `d-${String(n).padStart(16, '0')}`,
      status: 'applied',
      ...place,
    }))
    const answer = await service.ask('POST', '/v1/receipts', {
      token: node.bearer(),
      body: { receipts },
    })
    assert.equal(answer.status, 202)
  })

  test('of one IPv6 network share what strangers may, and their neighbours have their own', async (t) => {
    const service = await open(t)
    const from = async (remoteAddress: string) => {
      const env = { incoming: { socket: { remoteAddress } } }
      return (await service.app.request('/v1/decisions', {}, env)).status
    }
    const codes = []
    for (let n = 1; n <= 51; n++) codes.push(await from(`2001:db8:1:2::${n.toString(16)}`))
    assert.deepEqual([codes[49], codes[50]], [401, 429])
    assert.equal(await from('2001:db8:1:3::1'), 401)
    assert.equal(await from('::ffff:192.0.2.1'), 401)
  })
})

describe('secrets', () => {
  test('stand in no log line, no answer that lists, and not in the store', async (t) => {
    const service = await open(t)
    const made = await service.ask('POST', '/v1/tokens', {
      body: { name: 'mine', scopes: ['read'] },
    })
    const invited = await service.ask('POST', '/v1/nodes/tokens', { body: {} })
    const { secret } = readEnrolmentToken(invited.body.token ?? '')
    const node = await service.enrol('web-01')
    const bearer = node.bearer()
    await service.ask('GET', '/v1/decisions', { token: `${made.body.secret}x` })
    await service.ask('POST', '/v1/enrol', { token: null, body: `{"secret":"${secret}"` })
    await service.ask('POST', '/v1/enrol', {
      token: null,
      body: { secret, name: '-', key: node.key },
    })
    await service.flow.store.write((tx) => tx.schema.dropTable('tokens').execute())
    const broken = await service.app.request('/v1/decisions', {
      headers: { authorization: `Bearer ${made.body.secret}` },
    })
    assert.equal(broken.status, 500)
    assert.ok(
      service.logged.some((line) => line.includes('no such table')),
      'what failed is logged with its cause',
    )
    const tables = ['enrolments', 'nodes', 'journal', 'facts'] as const
    const stored = await Promise.all(
      tables.map((table) => service.flow.store.read.selectFrom(table).selectAll().execute()),
    )
    const everything = JSON.stringify([stored, service.logged, await broken.text()])
    const key = service.flow.keys.current().privateKey.export({ format: 'jwk' }).d ?? '-'
    for (const hidden of [made.body.secret, secret, bearer, service.admin, key])
      assert.ok(!everything.includes(hidden ?? '-'))
  })
})

async function open(t: TestContext): Promise<TestService> {
  const service = await openTestService()
  t.after(() => service.close())
  return service
}

async function withNode(t: TestContext): Promise<{ service: TestService; node: TestNode }> {
  const service = await open(t)
  return { service, node: await service.enrol('web-01') }
}

async function snapshotStatus(service: TestService, token: string): Promise<number> {
  const path = `/v1/snapshot?audience=all&nonce=${nonce}`
  return (await service.ask('GET', path, { token })).status
}
