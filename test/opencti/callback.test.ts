/** Enrichment without a message broker: jobs are posted to us, results go by HTTP. */
import assert from 'node:assert/strict'
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { createServer } from 'node:net'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import { Problem } from '#contract/problem.ts'
import { callerOf, readKeys } from '../../connectors/opencti/enrich/caller.ts'
import { openSightings } from '../../connectors/opencti/enrich/sightings.ts'
import { emptyWorld, schemaMissing, startOpenCti } from '../doubles/opencti.ts'
import {
  alertsAt,
  block,
  confirmed,
  connectorId,
  cordonThatKnows,
  entity,
  job,
  now,
} from './jobs.ts'
import { type Serving, serving } from './serving.ts'

const attacker = '203.0.113.7'

describe('enrichment by HTTP', { skip: schemaMissing() }, () => {
  const world = emptyWorld()
  const cordon = cordonThatKnows(
    new Map([[attacker, { alerts: alertsAt(1), decisions: [block()] }]]),
  )
  let platform: Awaited<ReturnType<typeof startOpenCti>>
  let running: Serving
  let uri = ''
  before(async () => {
    platform = await startOpenCti(world)
  })
  after(() => platform.close())
  beforeEach(async () => {
    Object.assign(world, { ...emptyWorld(), token: world.token })
    const port = await freePort()
    uri = `http://127.0.0.1:${port}/api/callback`
    running = serving(
      {
        url: platform.url,
        token: world.token,
        listen: 'api',
        send: 'api',
        callback_uri: uri,
        callback_listen: `127.0.0.1:${port}`,
      },
      cordon,
      20,
    )
    await running.until('ready')
  })
  afterEach(() => running.stop())

  const post = (body: string, token = world.token) =>
    fetch(uri, { method: 'POST', headers: { authorization: `Bearer ${token}` }, body })

  test('registers once with what it is, and with the fields that the platform knows', () => {
    const input = world.connectors.get(connectorId)?.input
    assert.deepEqual(input, {
      id: connectorId,
      name: 'Cordon',
      type: 'INTERNAL_ENRICHMENT',
      scope: ['IPv4-Addr', 'IPv6-Addr'],
      auto: false,
      auto_update: false,
      enrichment_resolution: 'none',
      only_contextual: false,
      playbook_compatible: true,
      listen_callback_uri: uri,
    })
  })

  test('a posted job is answered with 200 once its bundle is on the platform', async () => {
    const response = await post(job(entity(attacker)))
    assert.equal(response.status, 200)
    assert.equal(world.bundles.length, 1)
    assert.equal(world.bundles[0]?.connector, connectorId)
    const bundle = JSON.parse(world.bundles[0]?.bundle ?? '{}')
    assert.ok(bundle.objects.some(({ type }: { type: string }) => type === 'sighting'))
    assert.deepEqual(running.reports, ['ready', 'done'])
  })

  test('a confirmed block is told by the way that is open, and waits while there is none', async () => {
    const settings = Object.assign(running.settings, { sightings: true })
    const [sink] = openSightings(settings)
    assert.ok(sink)
    await sink.take([confirmed('1', attacker)], AbortSignal.timeout(60_000))
    assert.equal(world.bundles.length, 1)
    assert.match(world.bundles[0]?.work ?? '', /_own$/)
    await running.stop()
    const later = sink.take([confirmed('2', attacker)], AbortSignal.timeout(60_000))
    await assert.rejects(later, { code: 'service_unreachable' })
  })

  test('a caller with another token is refused, and so are other paths and methods', async () => {
    assert.equal((await post(job(entity(attacker)), 'wrong')).status, 401)
    assert.equal((await fetch(uri)).status, 404)
    assert.equal((await fetch(`${uri}x`, { method: 'POST' })).status, 404)
    assert.deepEqual(world.works, [])
  })

  test('a job that cannot be done now is answered so that the worker brings it again', async () => {
    world.faults.push((_, response) => response.writeHead(500).end())
    // A ping may meet the fault instead of the job, so that it is offered until the job has met one.
    let status = (await post(job(entity(attacker)))).status
    for (let tries = 0; status === 200 && tries < 50; tries++) {
      world.faults.push((_, response) => response.writeHead(500).end())
      status = (await post(job(entity(attacker)))).status
    }
    assert.equal(status, 503)
    assert.equal((await post(job(entity(attacker)))).status, 200)
  })

  test('a job that fails each time is told of on the platform at last, and holds up none behind it', async () => {
    const { knowledge } = cordon
    cordon.knowledge = async () => {
      throw new Problem('service_unreachable', 'opencti refuses: odd (SOME_ERROR)')
    }
    for (let tries = 1; tries < 10; tries++)
      assert.equal((await post(job(entity(attacker)))).status, 503)
    assert.equal((await post(job(entity(attacker)))).status, 200)
    cordon.knowledge = knowledge
    const told = world.works.at(-1)
    assert.deepEqual(
      [told?.did, told?.inError, told?.message],
      ['toProcessed', true, 'opencti refuses: odd (SOME_ERROR)'],
    )
    assert.ok(running.reports.at(-1) instanceof Problem)
    // Asked for anew it is a new job.
    assert.equal((await post(job(entity(attacker)))).status, 200)
    assert.equal(world.bundles.length, 1)
  })

  test('a connector that the platform has forgotten ends, so that it registers again', async () => {
    world.connectors.clear()
    assert.equal((await running.ended)?.code, 'invalid_input')
  })

  test('a ping that meets a platform that is away does no harm', async () => {
    world.faults.push((_, response) => response.writeHead(503).end())
    while (world.faults.length > 0) await post('{')
    assert.equal((await post(job(entity(attacker)))).status, 200)
  })
})

const { publicKey, privateKey } = generateKeyPairSync('ed25519')
const jwks = JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'k1' }] })

/** As a platform of the 7.x line signs what it calls back with. */
function bearer(claims: object, key: KeyObject = privateKey, header = {}): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const text = `${part({ alg: 'EdDSA', kid: 'k1', ...header })}.${part(claims)}`
  return `Bearer ${text}.${sign(null, Buffer.from(text), key).toString('base64url')}`
}

describe('enrichment of a platform of the 7.x line', { skip: schemaMissing() }, () => {
  test('is registered with what it knows besides, and its workers are known by its signature', async () => {
    const world = { ...emptyWorld(), jwks }
    const platform = await startOpenCti(world)
    const port = await freePort()
    const uri = `http://127.0.0.1:${port}/api/callback`
    const settings = {
      url: platform.url,
      token: world.token,
      listen: 'api',
      send: 'api',
      callback_uri: uri,
      callback_listen: `127.0.0.1:${port}`,
    }
    const cordon = cordonThatKnows(new Map([[attacker, { alerts: alertsAt(1) }]]))
    const running = serving(settings, cordon)
    await running.until('ready')
    const input = world.connectors.get(connectorId)?.input
    assert.deepEqual([input?.slug, typeof input?.version], ['cordon', 'string'])
    const post = async (authorization: string) => {
      const body = job(entity(attacker))
      return (await fetch(uri, { method: 'POST', headers: { authorization }, body })).status
    }
    assert.equal(await post(bearer({ exp: now / 1_000 + 60 })), 200)
    assert.equal(await post(`Bearer ${world.token}`), 401)
    assert.equal(world.bundles.length, 1)
    // Keys change: the part ends, once for a while, to register again and so to hear of them.
    const later = bearer({ exp: now / 1_000 + 60 }, privateKey, { kid: 'k2' })
    const answered = post(later).catch(() => 0)
    assert.equal((await running.ended)?.code, 'unauthenticated')
    assert.ok([0, 401].includes(await answered))
    await platform.close()
  })
})

describe('a caller', () => {
  const keys = readKeys(jwks)
  const seconds = now / 1_000

  test('of a platform that signs is known by its signature and for as long as it says', () => {
    assert.equal(callerOf(bearer({ exp: seconds + 60 }), 't', keys, now), 'known')
    assert.equal(callerOf(bearer({ exp: seconds - 61 }), 't', keys, now), 'unknown')
    assert.equal(callerOf(bearer({}), 't', keys, now), 'unknown')
  })

  test('with our own token is not known to a platform that signs', () => {
    assert.equal(callerOf('Bearer t', 't', keys, now), 'unknown')
    assert.equal(callerOf('Bearer t', 't', readKeys(null), now), 'known')
  })

  test('with another key, algorithm or no token at all is unknown', () => {
    const other = generateKeyPairSync('ed25519').privateKey
    assert.equal(callerOf(bearer({ exp: seconds + 60 }, other), 't', keys, now), 'unknown')
    const none = bearer({ exp: seconds + 60 }, privateKey, { alg: 'none' })
    assert.equal(callerOf(none, 't', keys, now), 'unknown')
    const renewed = bearer({ exp: seconds + 60 }, privateKey, { kid: 'k2' })
    assert.equal(callerOf(renewed, 't', keys, now), 'other key')
    for (const text of [undefined, '', 'Basic x', 'Bearer a.b.c', 'Bearer ..'])
      assert.equal(callerOf(text, 't', keys, now), 'unknown')
  })
})

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((up) => server.listen(0, '127.0.0.1', up))
  const address = server.address()
  await new Promise((done) => server.close(done))
  return typeof address === 'object' && address ? address.port : 0
}
