/** The listening end of the service: plain HTTP on loopback, TLS everywhere else. */
import { createServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { hostname } from 'node:os'
import { serve } from '@hono/node-server'
import { Problem } from '#contract/problem.ts'
import type { App } from './api/route.ts'
import type { Certificate } from './certificate.ts'

export type Where = { host: string; port: number }

export type Listening = {
  port: number
  /** New connections are refused, those that work on something get a second. */
  close(): Promise<void>
}

/** Longer than balancers and clients keep a connection, so that it is not the server who closes it under a request. */
const keepAliveMs = 75_000
const closeGraceMs = 1_000

/** `127.0.0.1:8055` or `[::1]:8055`, as the settings have checked it. */
export function readListen(text: string): Where {
  const colon = text.lastIndexOf(':')
  return { host: text.slice(0, colon).replace(/[[\]]/g, ''), port: Number(text.slice(colon + 1)) }
}

/** The name or address under which others find what listens here. */
export function reachableHost(host: string): string {
  const everywhere = host === '0.0.0.0' || host === '::'
  const name = everywhere ? hostname() : host
  return name.includes(':') ? `[${name}]` : name
}

/** Throws `setting_invalid` when the address is taken or not ours. */
export function listen(
  app: App,
  where: Where,
  certificate: Certificate | undefined,
): Promise<Listening> {
  return new Promise((done, failed) => {
    const tls = certificate && {
      createServer: createTlsServer,
      serverOptions: { cert: certificate.cert, key: certificate.key },
    }
    const server = serve(
      { fetch: app.fetch, hostname: where.host, port: where.port, ...(tls ?? { createServer }) },
      ({ port }: AddressInfo) => done({ port, close: () => close(server) }),
    )
    if ('keepAliveTimeout' in server) server.keepAliveTimeout = keepAliveMs
    server.once('error', (error) => failed(cannotListen(where, error)))
  })
}

function close(server: ReturnType<typeof serve>): Promise<void> {
  return new Promise((done) => {
    server.close(() => done())
    if (!('closeAllConnections' in server)) return
    server.closeIdleConnections()
    setTimeout(() => server.closeAllConnections(), closeGraceMs).unref()
  })
}

function cannotListen({ host, port }: Where, cause: Error): Problem {
  return new Problem('setting_invalid', `cannot listen on ${host}:${port}`, {
    remedy:
      'is another service there? set CORDON_LISTEN to a free address and port of this machine',
    cause,
  })
}
