/** The decision service: settings → store → keys → policy → connectors → flow → HTTP. The one file that knows all parts. */
import { chmodSync, mkdirSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createHttps } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { serve } from '@hono/node-server'
import type { Logger } from 'pino'
import { addressScope, maybeAddress } from '#contract/address.ts'
import { base32 } from '#contract/id.ts'
import { Problem } from '#contract/problem.ts'
import type { Environment } from '#contract/settings.ts'
import { makeApp } from './api/app.ts'
import { type Certificate, givenCertificate, ownCertificate } from './certificate.ts'
import { type Flow, openFlow } from './flow/flow.ts'
import { openKeys } from './flow/keys.ts'
import { pull, type SourceHealth } from './flow/pull.ts'
import { makeToken, type Randomness } from './flow/secret.ts'
import { loadConnectors } from './load-connectors.ts'
import { ownAddresses } from './own-addresses.ts'
import { defaultPolicyFile, openPolicy } from './policy-in-force.ts'
import type { ServiceSettings } from './settings.ts'
import { appendJournal } from './store/journal.ts'
import { openSqlite, openSqliteReader } from './store/sqlite.ts'
import { openStore, type Store } from './store/store.ts'
import { listTokens, putToken } from './store/tokens.ts'

export type Service = {
  flow: Flow
  url: string
  /** Only at the very first start: the secret of the first admin token. */
  adminToken?: string
  /** Streams end, what is being recorded is finished, the store is closed. */
  stop(): Promise<void>
}

export type ServiceDeps = {
  log: Logger
  environment: Environment
  /** Sections `connectors.<name>` of the settings file. */
  connectorSections: Readonly<Record<string, Record<string, unknown>>>
  now(): number
  random: Randomness
}

/** Throws a Problem when it cannot start. */
export async function startService(settings: ServiceSettings, deps: ServiceDeps): Promise<Service> {
  const { log, now, random } = deps
  prepareDirectory(settings.data_dir)
  const database = join(settings.data_dir, 'cordon.db')
  const store = await openStore(openSqlite(database), () => openSqliteReader(database))
  const where = readListen(settings.listen)
  const certificate = await chooseCertificate(settings, where, now())
  let port = where.port
  const reachable = () => ({
    url:
      settings.public_url ?? `${certificate ? 'https' : 'http'}://${urlHost(where.host)}:${port}`,
    tls: certificate?.pin,
  })
  const flow = openFlow({
    store,
    keys: openKeys(join(settings.data_dir, 'keys.json'), () => `cordon-${base32(random(5))}`),
    log,
    now,
    random,
    connectors: await loadConnectors(settings.connectors, deps.connectorSections, deps.environment),
    policy: openPolicy(settings.policy ?? defaultPolicyFile, settings.protect),
    own: ownAddresses(now),
    reachable,
  })
  const adminToken = await firstToken(store, random, now())
  const server = await listen(flow, where, certificate)
  port = (server.address() as AddressInfo).port
  const stopClock = flow.startClock()
  const pulling = startPulling(flow)
  log.info({ url: reachable().url }, 'the service is up')
  return {
    flow,
    url: reachable().url,
    ...(adminToken !== undefined && { adminToken }),
    stop: async () => {
      stopClock()
      await pulling.stop()
      flow.hub.close()
      await new Promise<void>((done) => {
        server.close(() => done())
        if ('closeIdleConnections' in server) server.closeIdleConnections()
        if ('closeAllConnections' in server)
          setTimeout(() => server.closeAllConnections(), 1_000).unref()
      })
      await store.close()
    },
  }
}

function listen(
  flow: Flow,
  where: { host: string; port: number },
  certificate: Certificate | undefined,
) {
  return new Promise<ReturnType<typeof serve>>((done, failed) => {
    const server = serve(
      {
        fetch: makeApp(flow).fetch,
        hostname: where.host,
        port: where.port,
        ...(certificate
          ? {
              createServer: createHttps,
              serverOptions: { cert: certificate.cert, key: certificate.key },
            }
          : { createServer }),
      },
      () => done(server),
    )
    // Longer than the balancers and clients in front keep a connection, so that the server is not the one to close it.
    if ('keepAliveTimeout' in server) server.keepAliveTimeout = 75_000
    server.once('error', (error) => failed(cannotListen(where, error)))
  })
}

/** Every source that a connector offers is followed until the service stops. */
function startPulling(flow: Flow): { stop(): Promise<void> } {
  const stop = new AbortController()
  const { store, recorder, log, now } = flow
  const parts = { store, recorder, log, now, pause: pauseUnlessStopped }
  const running = [...flow.connectors.values()].flatMap((connector) =>
    (connector.connector.sources?.(connector.settings) ?? []).map((source) => {
      const name = connector.connector.name
      const health: SourceHealth = {
        connector: name,
        source: source.key,
        state: 'following',
        records: 0,
        refused: 0,
      }
      flow.sources.push(health)
      return pull(parts, connector, source, health, stop.signal)
    }),
  )
  return {
    stop: async () => {
      stop.abort()
      await Promise.all(running)
    },
  }
}

async function pauseUnlessStopped(ms: number, signal: AbortSignal): Promise<void> {
  await pause(ms, undefined, { signal }).catch(() => {})
}

function prepareDirectory(dir: string): void {
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 })
    chmodSync(dir, 0o700)
  } catch (error) {
    throw new Problem('setting_invalid', `the data directory ${dir} cannot be made or used`, {
      remedy: 'set CORDON_DATA_DIR to a directory that this user may write',
      cause: error,
    })
  }
}

/** Plain HTTP only where nobody else can listen in. */
async function chooseCertificate(
  settings: ServiceSettings,
  where: { host: string },
  now: number,
): Promise<Certificate | undefined> {
  const { tls_cert, tls_key } = settings
  if (tls_cert !== undefined && tls_key !== undefined) return givenCertificate(tls_cert, tls_key)
  if (tls_cert !== undefined || tls_key !== undefined)
    throw new Problem('setting_invalid', 'tls_cert and tls_key are given together or not at all', {
      remedy: 'set both CORDON_TLS_CERT and CORDON_TLS_KEY',
    })
  if (isLoopback(where.host)) return undefined
  const named =
    settings.public_url === undefined
      ? []
      : [new URL(settings.public_url).hostname.replace(/[[\]]/g, '')]
  return ownCertificate(settings.data_dir, [...named, where.host], now)
}

function isLoopback(host: string): boolean {
  const address = maybeAddress(host)
  if (!address) return host === 'localhost'
  return (
    address.text === '::1' ||
    (addressScope(address) === 'special' && address.text.startsWith('127.'))
  )
}

async function firstToken(
  store: Store,
  random: Randomness,
  now: number,
): Promise<string | undefined> {
  if ((await listTokens(store.read)).length > 0) return undefined
  const { secret, token } = makeToken(random, now, { name: 'first-admin', scopes: ['admin'] })
  await store.write(async (tx) => {
    await putToken(tx, token)
    await appendJournal(tx, [
      {
        at: now,
        actor: 'service',
        action: 'token.create',
        subject: token.id,
        after: { name: token.name },
      },
    ])
  })
  return secret
}

function readListen(listen: string): { host: string; port: number } {
  const colon = listen.lastIndexOf(':')
  return {
    host: listen.slice(0, colon).replace(/[[\]]/g, ''),
    port: Number(listen.slice(colon + 1)),
  }
}

function urlHost(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}

function cannotListen(where: { host: string; port: number }, cause: Error): Problem {
  return new Problem('setting_invalid', `cannot listen on ${where.host}:${where.port}`, {
    remedy: 'is another service there? set CORDON_LISTEN to a free address and port',
    cause,
  })
}
