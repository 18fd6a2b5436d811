/** Opens every source of facts that the settings name: places, lists, and the providers among the connectors. */
import { join } from 'node:path'
import type { Logger } from 'pino'
import type { Address } from '#contract/address.ts'
import type { Lookup } from '#contract/connector.ts'
import { type Lists, openLists } from './facts/lists/lists.ts'
import { type OpenedSources, openSources } from './facts/open-sources.ts'
import { openPlaces } from './facts/places/places.ts'
import { openProviders } from './facts/providers/providers.ts'
import type { RunningConnector } from './flow/receive.ts'
import type { Sections } from './sections.ts'
import type { Store } from './store/store.ts'

type Parts = {
  store: Store
  log: Logger
  now(): number
  dataDir: string
  connectors: ReadonlyMap<string, RunningConnector>
  sections: Sections
  /** What no list may hold. */
  protectedNetworks(): Address[]
}

/** Returns at once; what cannot be read is silent until it can. */
export function openServiceSources(parts: Parts): { sources: OpenedSources; lists: Lists } {
  const { store, log, now, sections } = parts
  const outside = { log, now, fetch, random: Math.random }
  const lists = openLists(sections.lists, {
    ...outside,
    dir: join(parts.dataDir, 'lists'),
    protectedNetworks: parts.protectedNetworks,
  })
  const providers = openProviders({
    ...outside,
    store,
    lookups: lookupsOf(parts.connectors),
    monotonic: () => performance.now(),
  })
  const places = openPlaces(sections.places, { now, log })
  return { sources: openSources({ places, lists, providers }), lists }
}

function lookupsOf(connectors: ReadonlyMap<string, RunningConnector>): Map<string, Lookup> {
  const lookups = [...connectors].map(([name, { connector, settings }]) => {
    return [name, connector.lookup?.(settings)] as const
  })
  return new Map(lookups.filter((entry): entry is [string, Lookup] => entry[1] !== undefined))
}
