/** A web server of a test, on loopback at a port of its own. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'

export type WebServer = {
  url: string
  port: number
  /** Whoever is still connected is cut off. */
  close(): Promise<void>
}
export type Tls = { cert: string; key: string }

export async function openWeb(
  answer: (request: IncomingMessage, response: ServerResponse) => unknown,
  tls?: Tls,
): Promise<WebServer> {
  const listener = (request: IncomingMessage, response: ServerResponse) => {
    answer(request, response)
  }
  const server = tls ? createTlsServer(tls, listener) : createServer(listener)
  await new Promise<void>((up) => server.listen(0, '127.0.0.1', up))
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('no address')
  return {
    url: `${tls ? 'https' : 'http'}://127.0.0.1:${address.port}`,
    port: address.port,
    close: async () => {
      server.closeAllConnections()
      await new Promise((done) => server.close(done))
    },
  }
}

export async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request.setEncoding('utf8')) text += chunk
  return text
}
