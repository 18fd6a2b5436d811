/** Splunk: searches that are run here, alerts that it posts itself, and what came of them as events. */
import { hostname } from 'node:os'
import type { Connector } from '#contract/connector.ts'
import { systemClock } from '../clock.ts'
import { isBlank } from '../read-record.ts'
import { followSearch } from './follow.ts'
import { openHecSink } from './hec/sink.ts'
import { readRow } from './read.ts'
import { searchesOf } from './search.ts'
import { Settings } from './settings.ts'
import { tryOut } from './try-out.ts'
import { unpack } from './unpack.ts'

export const connector: Connector<Settings> = {
  name: 'splunk',
  title: 'Splunk',
  settings: Settings,
  environment: {
    host: 'SPLUNK_HOST',
    port: 'SPLUNK_PORT',
    user: 'SPLUNK_USER',
    password: 'SPLUNK_PASSWORD',
  },
  read(record, { settings, now }) {
    const given = isBlank(record) ? undefined : unpack(record)
    return given ? readRow(given, settings, now) : []
  },
  sources: (settings) =>
    settings.host === undefined
      ? []
      : searchesOf(settings).map((search) => followSearch(settings, search, systemClock)),
  sinks: (settings) =>
    settings.hec_url === undefined ? [] : [openHecSink(settings, hostname(), systemClock)],
  test: (settings, signal) => tryOut(settings, systemClock, process.env, signal),
}
