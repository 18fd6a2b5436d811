/** What an answer may cost the node, and whose word about the time counts. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { type TestContext, test } from 'node:test'
import { type ConnectTo, connect, type Service } from '../../agent/connect.ts'
import { today } from './signer.ts'

test('an answer that only trickles is given up when its time is over', {
  timeout: 60_000,
}, async (context) => {
  const { service } = await serve(context, { withinMs: () => 200 }, (_request, response) => {
    response.write('{')
    const drip = setInterval(() => response.write(' '), 20)
    response.on('close', () => clearInterval(drip))
  })
  await assert.rejects(service.ask('GET', '/v1/keys'), {
    code: 'service_unreachable',
    cause: new Error('the answer was not complete after 0.2 s'),
  })
  await assert.rejects(service.text('/v1/snapshot/00'), { code: 'service_unreachable' })
})

test('the stream may last longer than any answer', { timeout: 60_000 }, async (context) => {
  const { service } = await serve(context, { withinMs: () => 50 }, (_request, response) => {
    response.write('one')
    setTimeout(() => response.end('two'), 200)
  })
  let text = ''
  for await (const piece of await service.stream('/v1/stream', {})) text += piece
  assert.equal(text, 'onetwo')
})

test('the reason why there is no stream is not waited for longer than for any answer', {
  timeout: 60_000,
}, async (context) => {
  const { service } = await serve(context, { withinMs: () => 100 }, (_request, response) => {
    response.writeHead(503)
    const drip = setInterval(() => response.write(' '), 20)
    response.on('close', () => clearInterval(drip))
  })
  await assert.rejects(service.stream('/v1/stream', {}), { code: 'service_unreachable' })
})

test('the date of an answer counts only when the service itself gave it', async (context) => {
  const dates: (number | undefined)[] = []
  const heard = (_address: string | undefined, date: number | undefined) => void dates.push(date)
  const answers: [status: number, type: string][] = [
    [200, 'application/json'],
    [401, 'application/problem+json'],
    [403, 'Application/Problem+JSON; charset=utf-8'],
    [401, 'text/html'],
    [502, 'application/problem+json'],
    [503, 'text/plain'],
    [302, 'text/html'],
  ]
  let asked = 0
  const { service } = await serve(context, { heard }, (_request, response) => {
    const [status, type] = answers[asked++] ?? [500, '']
    response.setHeader('date', new Date(today).toUTCString())
    response.writeHead(status, { 'content-type': type }).end('{}')
  })
  for (const _ of answers) await service.text('/v1/keys').catch(() => undefined)
  assert.deepEqual(dates, [today, today, today, undefined, undefined, undefined, undefined])
})

test('an answer that is no success is none, also when it is empty: what was said is said again', async (context) => {
  for (const status of [301, 302, 304, 307]) {
    const { service } = await serve(context, {}, (_request, response) => {
      response.writeHead(status, { location: 'https://elsewhere.example/' }).end()
    })
    const said = service.ask('POST', '/v1/receipts', { body: { receipts: [] } })
    await assert.rejects(said, { code: 'service_unreachable' }, String(status))
  }
})

test('what a relay finds too large is called so, as the service itself would call it', async (context) => {
  const { service } = await serve(context, {}, (_request, response) => {
    response.writeHead(413, { 'content-type': 'text/html' }).end('<h1>413</h1>')
  })
  await assert.rejects(service.ask('POST', '/v1/receipts', {}), { code: 'too_large' })
})

async function serve(
  context: TestContext,
  more: Partial<ConnectTo>,
  listener: RequestListener,
): Promise<{ service: Service }> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(typeof address === 'object' && address)
  const service = connect({ url: `http://127.0.0.1:${address.port}`, ...more })
  context.after(() => {
    service.close()
    server.closeAllConnections()
    server.close()
  })
  return { service }
}
