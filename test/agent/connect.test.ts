/** What an answer may cost the node, and whose word about the time counts. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import { type TestContext, test } from 'node:test'
import { type ConnectTo, connect, type Service } from '../../agent/connect.ts'

test('an answer that only trickles is given up when its time is over', {
  timeout: 5_000,
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

test('the stream may last longer than any answer', { timeout: 5_000 }, async (context) => {
  const { service } = await serve(context, { withinMs: () => 50 }, (_request, response) => {
    response.write('one')
    setTimeout(() => response.end('two'), 200)
  })
  let text = ''
  for await (const piece of await service.stream('/v1/stream', {})) text += piece
  assert.equal(text, 'onetwo')
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
