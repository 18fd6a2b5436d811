/** The client of the platform: what comes back, and what each kind of refusal is. */
import assert from 'node:assert/strict'
import { createServer, type RequestListener } from 'node:http'
import { describe, test } from 'node:test'
import { Problem } from '#contract/problem.ts'
import { openClient } from '../../connectors/opencti/client/client.ts'
import { readPlatform } from '../../connectors/opencti/client/platform-settings.ts'
import { ping } from '../../connectors/opencti/client/questions/ping.ts'
import { probePlatform } from '../../connectors/opencti/client/questions/probe.ts'
import { Settings } from '../../connectors/opencti/settings.ts'

const about = {
  about: { version: '6.9.17' },
  input: { inputFields: [{ name: 'id' }] },
  connector: null,
}

async function against<T>(listener: RequestListener, use: (url: string) => Promise<T>): Promise<T> {
  const server = createServer(listener)
  await new Promise<void>((up) => server.listen(0, '127.0.0.1', up))
  const address = server.address()
  assert.ok(typeof address === 'object' && address)
  try {
    return await use(`http://127.0.0.1:${address.port}/base/`)
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

function client(url: string, more: Record<string, unknown> = {}) {
  return openClient(
    readPlatform('opencti', Settings.parse({ url, token: 'secret-token', ...more })),
  )
}

/** The problem that an answer of this status, type and body is. */
function problemOf(status: number, type: string, body: string, headers = {}): Promise<Problem> {
  return against(
    (_, response) => response.writeHead(status, { 'content-type': type, ...headers }).end(body),
    async (url) => {
      const thrown = await client(url)
        .ask(ping, { id: 'x', state: '', connectorInfo: idleInfo })
        .then(
          () => undefined,
          (error: unknown) => error,
        )
      assert.ok(thrown instanceof Problem, `expected a problem, got ${String(thrown)}`)
      assert.ok(thrown.remedy, 'every problem says what to do')
      assert.ok(!JSON.stringify(thrown).includes('secret-token'))
      return thrown
    },
  )
}
const idleInfo = {
  run_and_terminate: false,
  buffering: false,
  queue_threshold: 500,
  queue_messages_size: 0,
}

const graphql = (code: string, message = 'no') =>
  JSON.stringify({ errors: [{ message, name: code, extensions: { code } }], data: null })

describe('the client', () => {
  test('asks under the base path with the bearer token, its own headers and no draft', async () => {
    const seen = await against(
      (request, response) => {
        response.setHeader('content-type', 'application/json; charset=utf-8')
        response.end(JSON.stringify({ data: about }))
        Object.assign(kept, { url: request.url, headers: request.headers })
      },
      async (url) => {
        const platform = await probePlatform(client(url, { custom_headers: 'x-one:1; x-two: b' }))
        assert.equal(platform.version, '6.9.17')
        return kept
      },
    )
    assert.equal(seen.url, '/base/graphql')
    assert.equal(seen.headers?.authorization, 'Bearer secret-token')
    assert.equal(seen.headers?.['opencti-draft-id'], '')
    assert.equal(seen.headers?.['x-two'], 'b')
    assert.equal(seen.headers?.['user-agent'], 'cordon')
  })

  for (const [code, meaning] of [
    ['AUTH_REQUIRED', 'unauthenticated'],
    ['FORBIDDEN_ACCESS', 'forbidden'],
    ['FUNCTIONAL_ERROR', 'invalid_input'],
    ['INSUFFICIENT_CONFIDENCE_LEVEL', 'forbidden'],
    ['DATABASE_ERROR', 'service_unreachable'],
    ['DRAFT_LOCKED', 'conflict'],
  ] as const)
    test(`an error ${code} with status 200 is ${meaning}`, async () => {
      assert.equal((await problemOf(200, 'application/json', graphql(code))).code, meaning)
    })

  test('a document that the platform does not know is said to be a matter of its version', async () => {
    const problem = await problemOf(400, 'application/json', graphql('GRAPHQL_VALIDATION_FAILED'))
    assert.equal(problem.code, 'unsupported')
  })

  for (const [status, meaning] of [
    [401, 'unauthenticated'],
    [403, 'forbidden'],
    [404, 'not_found'],
    [410, 'not_found'],
    [413, 'too_large'],
    [429, 'rate_limited'],
    [500, 'service_unreachable'],
    [302, 'invalid_input'],
  ] as const)
    test(`status ${status} with a page is ${meaning}`, async () => {
      assert.equal((await problemOf(status, 'text/html', '<html>')).code, meaning)
    })

  test('a 429 says how long to wait', async () => {
    assert.equal((await problemOf(429, 'text/plain', '', { 'retry-after': '7' })).retryMs, 7_000)
  })

  test('a login page with status 200 is no answer, and nothing of it is repeated', async () => {
    const problem = await problemOf(200, 'text/html', '<html>secret-token</html>')
    assert.equal(problem.code, 'invalid_input')
  })

  test('data of another shape is no answer', async () => {
    const problem = await problemOf(200, 'application/json', '{"data":{"pingConnector":7}}')
    assert.equal(problem.code, 'invalid_input')
    assert.match(problem.message, /pingConnector/)
  })

  test('an answer that is cut in the middle is a failure of the way', async () => {
    const problem = await against(
      (_, response) => {
        response.writeHead(200, { 'content-type': 'application/json', 'content-length': '500' })
        response.write('{"data":', () => response.destroy())
      },
      (url) => probePlatform(client(url)).catch((error: unknown) => error),
    )
    assert.ok(problem instanceof Problem)
    assert.equal(problem.code, 'service_unreachable')
  })

  test('an answer that does not come in time is a failure of the way', async () => {
    const problem = await against(
      () => {},
      (url) => probePlatform(client(url, { timeout: '50ms' })).catch((e: unknown) => e),
    )
    assert.ok(problem instanceof Problem)
    assert.match(problem.message, /in time/)
  })

  test('the token never goes in the clear beyond loopback, unless somebody says so', () => {
    const open = (more: object) =>
      readPlatform(
        'opencti',
        Settings.parse({ url: 'http://opencti.example:8080', token: 't', ...more }),
      )
    assert.throws(() => open({}), { code: 'setting_invalid' })
    assert.equal(open({ allow_http: 'true' }).base, 'http://opencti.example:8080')
  })

  test('without a url or a token it says which setting is missing', () => {
    assert.throws(() => readPlatform('opencti', Settings.parse({})), /no url/)
    const url = 'https://opencti.example'
    assert.throws(() => readPlatform('opencti', Settings.parse({ url })), /no token/)
    assert.throws(
      () => readPlatform('opencti', Settings.parse({ url, token: 'ChangeMe' })),
      /no token/,
    )
  })
})

const kept: { url?: string; headers?: Record<string, string | string[] | undefined> } = {}
