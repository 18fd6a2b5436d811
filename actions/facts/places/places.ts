/** Where an address is and whose network it belongs to, from database files in memory. */
import { createRequire } from 'node:module'
import type { Logger } from 'pino'
import { type Address, isHost } from '#contract/address.ts'
import { nowhere, type PlaceFact, type PlaceSource, placeSources } from '../../decide/outside.ts'
import type { SourceState } from '../source.ts'
import { type DatabaseFile, databaseFile } from './database-file.ts'
import type { PlacesSettings } from './settings.ts'

/** What is not `ready` did not say that the fact is unknown: it said nothing. */
export type Place = PlaceFact & { ready: Readonly<Record<PlaceSource, boolean>> }

export type Places = {
  /** A network is where its first address is. */
  of(address: Address): Place
  /** One for each database that is set; the embedded countries stand for `country` when nothing else is. */
  sources(): SourceState[]
  /** Reads what is new; for a clock. Never rejects. */
  look(): Promise<void>
  close(): void
}

/** Returns at once: the files are read behind it, and until then the sources are silent. */
export function openPlaces(
  settings: PlacesSettings,
  parts: { now: () => number; log: Logger },
): Places {
  const paths = { ...settings, country: settings.country ?? embeddedCountries() }
  const files: Partial<Record<PlaceSource, DatabaseFile>> = {}
  for (const source of placeSources) {
    const path = paths[source]
    if (path !== undefined) files[source] = databaseFile(source, path, parts)
  }
  const look = async () => {
    await Promise.all(Object.values(files).map((file) => file.look()))
  }
  let looking: Promise<void> | undefined
  const lookOnce = () => {
    looking ??= look().finally(() => {
      looking = undefined
    })
    return looking
  }
  void lookOnce()
  // A file with cities also knows countries. Who names a file for countries wants that one asked first.
  const order = settings.country === undefined ? lastCountryFirst : placeSources
  return {
    of: (address) => placeOf(address, files, order),
    sources: () => Object.values(files).map((file) => file.state()),
    look: lookOnce,
    close: () => {
      for (const file of Object.values(files)) file.close()
    },
  }
}

const lastCountryFirst: readonly PlaceSource[] = ['city', 'country', 'asn', 'anonymous']

function placeOf(
  address: Address,
  files: Partial<Record<PlaceSource, DatabaseFile>>,
  order: readonly PlaceSource[],
): Place {
  const host = isHost(address) ? address.text : address.text.slice(0, address.text.indexOf('/'))
  const ready = { country: false, city: false, asn: false, anonymous: false }
  const place: PlaceFact = { ...nowhere }
  for (const source of order) {
    const file = files[source]
    const found = file?.ready() ? file.of(host) : false
    if (found === false) continue
    ready[source] = true
    if (source === 'city') ready.country = true
    const { country } = place
    Object.assign(place, found)
    if (country !== '') place.country = country
  }
  return { ...place, ready }
}

function embeddedCountries(): string {
  const name = '@ip-location-db/geo-whois-asn-country-mmdb/geo-whois-asn-country.mmdb'
  return createRequire(import.meta.url).resolve(name)
}
