/** The decision service: settings → policy, connectors, keys, store → flow → HTTP. The one file that knows all parts. */
import { chmodSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Logger } from 'pino'
import { isLoopback, readAddress } from '#contract/address.ts'
import { collectGarbage } from '#contract/garbage.ts'
import { base32 } from '#contract/id.ts'
import { Problem } from '#contract/problem.ts'
import type { Environment } from '#contract/settings.ts'
import { makeWayIn } from './admin-token.ts'
import { makeApp } from './api/app.ts'
import { chooseCertificate } from './certificate.ts'
import { enforcedLists } from './flow/enforced-lists.ts'
import { type Flow, openFlow } from './flow/flow.ts'
import { openKeys } from './flow/keys.ts'
import { followSources } from './flow/pull.ts'
import { journalPolicy } from './flow/reload-policy.ts'
import { openSaid } from './flow/said.ts'
import type { Randomness } from './flow/secret.ts'
import { serveConnectors } from './flow/serve-connectors.ts'
import { listen, reachableHost, readListen } from './listen.ts'
import { loadConnectors } from './load-connectors.ts'
import { openNotices } from './notice/notices.ts'
import { openChannels } from './notice/open-channels.ts'
import { placeName as placeOfChannel } from './notice/place.ts'
import { ownAddresses } from './own-addresses.ts'
import { defaultPolicyFile, openPolicy } from './policy-in-force.ts'
import { openCountries } from './posture/country-networks.ts'
import { placeName as placeOfSink } from './results/place.ts'
import { keepsWords, openSinks, startResults } from './results/sinks.ts'
import { readSections, type Sections } from './sections.ts'
import { openServiceSources } from './service-sources.ts'
import type { ServiceSettings } from './settings.ts'
import { holdLock } from './store/lock.ts'
import { openSqlite, openSqliteReader } from './store/sqlite.ts'
import { openStore, type Store } from './store/store.ts'

export type Service = {
  flow: Flow
  url: string
  /** The secret of the admin token that was made at this start. */
  adminToken?: string
  /** Streams end, what is being recorded is finished, the store is closed. */
  stop(): Promise<void>
}

export type ServiceDeps = {
  log: Logger
  environment: Environment
  /** Sections `connectors.<name>` of the settings file. */
  connectorSections: Readonly<Record<string, Record<string, unknown>>>
  /** Other sections; without them each setting has its default. */
  sections?: Sections
  now(): number
  random: Randomness
  /** Makes an admin token also when one is in force: for who lost his. */
  newAdminToken?: boolean
}

/** After the start; what was read and compiled for it is garbage then. */
const tidyMs = 2_000

/** Throws a Problem when it cannot start; what can be wrong in files is found before anything is made. */
export async function startService(settings: ServiceSettings, deps: ServiceDeps): Promise<Service> {
  const { log, now, random, environment } = deps
  const policy = openPolicy(settings.policy ?? defaultPolicyFile, settings.protect)
  const connectors = await loadConnectors(
    settings.connectors,
    deps.connectorSections,
    environment,
    (warning) => log.warn(warning),
  )
  prepareDirectory(settings.data_dir)
  const where = readListen(settings.listen)
  const certificate = await chooseCertificate(settings, where.host, isLoopback(where.host), now())
  const store = await openDataStore(settings.data_dir)
  try {
    let port = where.port
    const reachable = () => ({
      url:
        settings.public_url ??
        `${certificate ? 'https' : 'http'}://${reachableHost(where.host)}:${port}`,
      tls: certificate?.pin,
    })
    const keys = openKeys(join(settings.data_dir, 'keys.json'), () => `cordon-${base32(random(5))}`)
    const own = ownAddresses(now, settings.public_url)
    const sections = deps.sections ?? readSections(environment)
    const said = openSaid()
    await said.refresh(store.read, now())
    const { sources, lists } = openServiceSources({
      store,
      log,
      now,
      dataDir: settings.data_dir,
      connectors,
      sections,
      protectedNetworks: () => [
        ...policy.current().protect.map(({ address }) => address),
        ...[...own(), ...said.sheltered().map(({ address }) => address)].map(readAddress),
      ],
    })
    const channels = openChannels(connectors)
    const sinks = openSinks(connectors)
    const flow = openFlow({
      store,
      keys,
      log,
      now,
      random,
      connectors,
      policy,
      own,
      reachable,
      sources,
      said,
      enforced: enforcedLists(lists, now),
      posture: { countries: openCountries(sections.places), file: settings.posture },
      retention: sections.retention,
      journalReaders: [
        ...[...channels.keys()].map(placeOfChannel),
        ...sinks.map(({ sink }) => placeOfSink(sink.key)),
      ],
      keepsWords: keepsWords(sinks),
      pause: pauseUnlessStopped,
    })
    // What fails is tried again by the clock.
    lists.onChange(
      () =>
        void flow.feeds.look().catch((err) => log.error({ err }, 'nodes were not told of a list')),
    )
    const notices = await openNotices({
      store,
      channels,
      issuer: keys.issuer,
      now,
      random,
      log,
      pause: pauseUnlessStopped,
      answersFor: flow.links.answersFor,
    })
    store.onCommit(notices.wake)
    const results = await startResults(
      { store, issuer: keys.issuer, log, now, pause: pauseUnlessStopped },
      sinks,
      flow.followed,
    )
    store.onCommit(results.wake)
    await journalPolicy(flow)
    const adminToken = await makeWayIn(store, random, now(), deps.newAdminToken ?? false)
    const listening = await listen(makeApp({ ...flow, notices }), where, certificate)
    port = listening.port
    const stopClock = flow.startClock()
    await flow.asking.resume()
    const parts = { store, recorder: flow.recorder, log, now, pause: pauseUnlessStopped }
    const following = followSources(parts, connectors.values(), flow.followed)
    const serving = serveConnectors(
      { store, sources, orders: flow.orders, log, now, pause: pauseUnlessStopped },
      connectors.values(),
      flow.followed,
    )
    log.info({ url: reachable().url }, 'the service is up')
    const tidy = setInterval(() => {
      if (flow.recorder.waiting() > 0) return
      clearInterval(tidy)
      collectGarbage()
    }, tidyMs).unref()
    const stop = async () => {
      stopClock()
      clearInterval(tidy)
      await following.stop()
      await serving.stop()
      await flow.asking.stop()
      await notices.stop()
      await results.stop()
      await sources.close()
      flow.hub.close()
      await listening.close()
      await store.close()
    }
    return { flow, url: reachable().url, ...(adminToken !== undefined && { adminToken }), stop }
  } catch (error) {
    await store.close()
    throw error
  }
}

async function openDataStore(dir: string): Promise<Store> {
  const release = holdLock(join(dir, 'lock.db'))
  try {
    const file = join(dir, 'cordon.db')
    const store = await openStore(openSqlite(file), () => openSqliteReader(file))
    return { ...store, close: () => store.close().finally(release) }
  } catch (error) {
    release()
    throw error
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
