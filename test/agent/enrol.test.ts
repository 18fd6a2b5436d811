/** First contact, and recognising the service by its key. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHash, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { createServer } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import jwt from 'jsonwebtoken'
import { EnrolmentRequest, type EnrolmentToken, printEnrolmentToken } from '#contract/enrolment.ts'
import { toKeyObject } from '#contract/key.ts'
import { connect } from '../../agent/connect.ts'
import { enrol } from '../../agent/enrol.ts'
import { bearer, makeIdentity, readIdentity } from '../../agent/identity.ts'
import { readMembership } from '../../agent/membership.ts'
import { issuer, makeKey, serviceKey, today } from './signer.ts'

const folder = mkdtempSync(join(tmpdir(), 'cordon-enrol-'))
after(() => rmSync(folder, { recursive: true }))
const openssl = spawnSync('openssl', ['version']).status === 0
const skip = openssl ? false : 'no openssl here to make a certificate with'

describe('enrolment over TLS', { skip }, () => {
  const asked: EnrolmentRequest[] = []
  let answerIssuer = issuer
  const made = openssl ? certificate('one') : { key: '', cert: '', pin: '' }
  const server = createServer({ key: made.key, cert: made.cert }, async (request, response) => {
    let body = ''
    for await (const piece of request) body += piece
    asked.push(EnrolmentRequest.parse(JSON.parse(body)))
    const keys = { keys: [{ ...serviceKey.public, kid: serviceKey.kid, alg: 'ES256', use: 'sig' }] }
    response.writeHead(201).end(
      JSON.stringify({
        success: true,
        node: 'web-01',
        groups: ['web'],
        issuer: answerIssuer,
        keys,
      }),
    )
  })
  let port = 0
  before(async () => {
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const address = server.address()
    port = typeof address === 'object' && address ? address.port : 0
  })
  after(() => {
    server.closeAllConnections()
    server.close()
  })

  test('makes a key that never leaves the node and pins issuer, signing keys and certificate key', async () => {
    const path = join(folder, 'good')
    const membership = await enrol(token(), 'web-01', path, today)
    assert.deepEqual(
      [membership.node, membership.groups, membership.tls],
      ['web-01', ['web'], made.pin],
    )
    assert.deepEqual(membership.addresses, ['127.0.0.1'])
    assert.deepEqual(readMembership(path), membership)
    assert.deepEqual(asked.at(-1)?.key, readIdentity(path)?.public)
    assert.equal(statSync(join(path, 'node.key')).mode & 0o777, 0o600)
    await assert.rejects(enrol(token(), 'web-01', path, today), { code: 'conflict' })
  })

  test('tells a certificate with another key nothing, not even the token', async () => {
    const before = asked.length
    await assert.rejects(
      enrol(token({ tls: 'ab'.repeat(32) }), 'web-01', join(folder, 'other'), today),
      {
        code: 'untrusted_service',
        message: /another key than the one that was pinned/,
      },
    )
    assert.equal(asked.length, before)
    assert.equal(existsSync(join(folder, 'other', 'service.json')), false)
  })

  test('does not join a service with another signing key or issuer than the token names', async () => {
    const wrong = token({ key: makeKey().kid })
    await assert.rejects(enrol(wrong, 'web-01', join(folder, 'wrong'), today), {
      code: 'untrusted_service',
    })
    answerIssuer = 'https://other.example'
    await assert.rejects(enrol(token(), 'web-01', join(folder, 'wrong'), today), {
      code: 'untrusted_service',
    })
    answerIssuer = issuer
  })

  test('a token that has ended, or is not whole, says what to do', async () => {
    await assert.rejects(enrol(token({ exp: today / 1_000 }), 'web-01', folder, today), {
      code: 'token_expired',
    })
    await assert.rejects(enrol(token().slice(0, -9), 'web-01', folder, today), {
      code: 'invalid_input',
      remedy: /cordon node enrol/,
    })
  })

  test('a service that cannot be reached is said to be so, with the address', async () => {
    const closed = connect({ url: 'https://127.0.0.1:1', tls: made.pin })
    await assert.rejects(closed.ask('GET', '/v1/keys'), {
      code: 'service_unreachable',
      message: /127\.0\.0\.1:1/,
    })
  })

  function token(more: Partial<EnrolmentToken> = {}): string {
    const exp = today / 1_000 + 600
    const secret = 's'.repeat(32)
    return printEnrolmentToken({
      url: `https://127.0.0.1:${port}`,
      issuer,
      key: serviceKey.kid,
      tls: made.pin,
      secret,
      exp,
      ...more,
    })
  }
})

test('plain HTTP is for loopback only', () => {
  assert.throws(() => connect({ url: 'http://192.0.2.1:8443' }), { code: 'untrusted_service' })
  for (const url of ['http://127.0.0.1:1', 'http://[::1]:1', 'http://localhost:1'])
    connect({ url }).close()
})

test('a bearer token is reused until 15 seconds before its end and names the node', () => {
  const identity = makeIdentity(join(folder, 'bearer'))
  const sign = bearer('web-01', identity, issuer)
  const first = sign(today)
  assert.equal(sign(today + 44_000), first)
  assert.notEqual(sign(today + 45_000), first)
  const read = jwt.verify(first, toKeyObject(identity.public), {
    algorithms: ['ES256'],
    audience: issuer,
    clockTimestamp: today / 1_000,
    complete: true,
  })
  assert.deepEqual([read.header.typ, read.header.kid], ['cordon-node+jwt', 'web-01'])
})

function certificate(name: string) {
  const [key, cert] = [join(folder, `${name}.key`), join(folder, `${name}.crt`)]
  const made = spawnSync('openssl', [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-keyout',
    key,
    '-out',
    cert,
    '-days',
    '2',
    '-subj',
    '/CN=cordon',
  ])
  assert.equal(made.status, 0, String(made.stderr))
  const pem = readFileSync(cert)
  const spki = new X509Certificate(pem).publicKey.export({ type: 'spki', format: 'der' })
  return { key: readFileSync(key), cert: pem, pin: createHash('sha256').update(spki).digest('hex') }
}
