/** The tests of both connectors of OpenCTI against a platform: what each finding says, and that nothing is written there. */
import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { describe, type TestContext, test } from 'node:test'
import type { Finding } from '#contract/connector.ts'
import { connector } from '../../connectors/opencti/connector.ts'
import { connector as follower } from '../../connectors/opencti-stream/connector.ts'
import { emptyWorld, schemaMissing, startOpenCti, type World } from '../doubles/opencti.ts'
import { openStreamDouble, streamId, token } from '../doubles/opencti-stream.ts'

const never = new AbortController().signal
const id = '0b0a7c1e-0000-4000-8000-000000000007'

const told = (findings: readonly Finding[]) =>
  findings.map((finding) =>
    'problem' in finding
      ? `failed ${finding.what}: ${finding.problem.message}`
      : `ok ${finding.what}: ${finding.found}`,
  )

describe('the test of opencti', { skip: schemaMissing() }, () => {
  async function tried(t: TestContext, change: (world: World) => void, given: object = {}) {
    const world = emptyWorld()
    change(world)
    const platform = await startOpenCti(world)
    t.after(platform.close)
    const settings = { url: platform.url, token: emptyWorld().token, ...given }
    const findings = await connector.test?.(connector.settings.parse(settings), never)
    assert.ok(findings)
    const writes = world.exchanges.filter(({ query }) => /\bmutation\b/.test(query))
    assert.deepEqual(writes, [], 'a test writes nothing')
    assert.ok(!JSON.stringify(findings).includes(emptyWorld().token), 'no token is shown')
    return told(findings)
  }

  test('finds reach, user, version and rights where it is only asked', async (t) => {
    assert.deepEqual(await tried(t, () => {}), [
      'ok address: reached',
      'ok token: accepted, as the user Cordon',
      'ok platform: OpenCTI 6.9.17',
      'ok rights: has KNOWLEDGE',
      'ok enrichment: is off: it is on with the id of a connector in the settings',
    ])
  })

  test('finds the registration that was made, and the broker that came with it', async (t) => {
    const broker = createServer((socket) => socket.on('error', () => {}))
    broker.listen(0, '127.0.0.1')
    await new Promise((up) => broker.once('listening', up))
    t.after(() => broker.close())
    const address = broker.address()
    const port = typeof address === 'object' && address ? address.port : 0
    const findings = await tried(
      t,
      (world) => {
        world.broker.port = port
        world.connectors.set(id, { state: null, input: {} })
      },
      { id },
    )
    assert.deepEqual(findings.slice(3), [
      'ok rights: has KNOWLEDGE, KNOWLEDGE_KNUPDATE, CONNECTORAPI',
      'ok registration: registered, and alive for the platform',
      `ok message broker: 127.0.0.1:${port} reached; nobody logged in`,
    ])
  })

  test('names the broker that cannot be reached from here', async (t) => {
    const register = (world: World) => world.connectors.set(id, { state: null, input: {} })
    const findings = await tried(t, register, { id, mq_host: '127.0.0.1', mq_port: 1 })
    assert.equal(findings.at(-1), 'failed message broker: cannot reach 127.0.0.1:1: ECONNREFUSED')
    const byHttp = await tried(t, register, { id, send: 'api', listen: 'api' })
    assert.equal(byHttp.at(-1), 'ok registration: registered, and alive for the platform')
  })

  test('ends with what is wrong about the enrichment connector', async (t) => {
    assert.equal(
      (await tried(t, () => {}, { id })).at(-1),
      `failed registration: the platform knows no connector ${id}`,
    )
    const late = (world: World) => {
      world.alive = false
      world.connectors.set(id, { state: null, input: {} })
    }
    assert.equal(
      (await tried(t, late, { id })).at(-1),
      'failed registration: registered, but the platform has not heard of it lately',
    )
  })

  test('names the rights that are missing, and knows who may do everything', async (t) => {
    const rights = (capabilities: string[]) =>
      tried(t, (world) => void Object.assign(world, { capabilities }), { id })
    assert.equal(
      (await rights(['KNOWLEDGE', 'EXPLORE'])).at(-1),
      'failed rights: Cordon lacks KNOWLEDGE_KNUPDATE (to write what was seen), CONNECTORAPI (to be a connector)',
    )
    assert.match((await rights(['BYPASS']))[3] ?? '', /^ok rights: /)
  })

  test('says that nothing can be created without a confidence level, where something is', async (t) => {
    const none = (world: World) => {
      world.confidence = undefined
    }
    assert.equal(
      (await tried(t, none, { id })).at(-1),
      'failed rights: Cordon has no maximum confidence level',
    )
    assert.match((await tried(t, none))[3] ?? '', /^ok rights/)
  })

  test('ends at a token that is not accepted, and at an address where nobody is', async (t) => {
    const refused = await tried(t, () => {}, { token: 'another-token' })
    assert.match(refused.at(-1) ?? '', /^failed token: opencti refuses: .*AUTH_REQUIRED/)
    assert.equal(refused.length, 2)
    const nobody = await tried(t, () => {}, { url: 'http://127.0.0.1:1' })
    assert.deepEqual(nobody, ['failed address: cannot reach 127.0.0.1:1: ECONNREFUSED'])
  })
})

describe('the test of opencti-stream', () => {
  type Double = Awaited<ReturnType<typeof openStreamDouble>>
  async function tried(t: TestContext, change: (double: Double) => void, given: object = {}) {
    const double = await openStreamDouble()
    t.after(() => double.close())
    change(double)
    const settings = { url: double.url, token, stream: streamId, ...given }
    const findings = await follower.test?.(follower.settings.parse(settings), never)
    assert.ok(findings)
    assert.ok(!JSON.stringify(findings).includes(token), 'no token is shown')
    return { double, found: told(findings) }
  }

  test('hears the stream begin, from now on, and says how far back it goes', async (t) => {
    const { double, found } = await tried(t, () => {})
    assert.deepEqual(found, [
      `ok stream id: ${streamId}`,
      'ok address: reached',
      'ok token: accepted, as the user Cordon',
      'ok platform: OpenCTI 6.9.17',
      'ok live stream: connected; it keeps events since 2026-03-01T10:00:00.000Z',
    ])
    assert.equal(double.requests.length, 1)
    assert.equal(double.requests[0]?.headers['last-event-id'], undefined)
  })

  test('of a stream that is refused looks whether the right is missing', async (t) => {
    const stream = '00000000-0000-4000-8000-000000000000'
    const { found } = await tried(t, () => {}, { stream })
    assert.deepEqual(found.slice(4), [
      'failed live stream: the live stream answered with status 401',
      'ok rights: has TAXIIAPI',
    ])
    const without = await tried(t, (double) => void double.capabilities.splice(0), { stream })
    assert.equal(
      without.found.at(-1),
      'failed rights: Cordon lacks TAXIIAPI (to follow live streams)',
    )
  })

  test('of a stream that was stopped says so', async (t) => {
    const stop = (double: Double) => {
      double.stopped = true
    }
    const { found } = await tried(t, stop)
    assert.equal(
      found.at(-1),
      'failed live stream: the live stream answered with status 410: it was stopped',
    )
  })

  test('of something else that streams does not take it for a platform', async (t) => {
    const page = { status: 200, headers: { 'content-type': 'text/html' }, body: '<html>' }
    const { found } = await tried(t, (double) => void double.refusals.push(page))
    assert.match(found.at(-1) ?? '', /^failed live stream: .* status 200 and text\/html$/)
  })

  test('without an id of a stream asks nobody', async (t) => {
    const { double, found } = await tried(t, () => {}, { stream: undefined })
    assert.deepEqual(found, ['failed stream id: opencti-stream has no stream'])
    assert.equal(double.requests.length, 0)
  })
})
