/** Results of Splunk: searches that are run here, and alerts that it posts itself. */
import type { Connector } from '#contract/connector.ts'
import { systemClock } from '../clock.ts'
import { isBlank } from '../read-record.ts'
import { followSearch } from './follow.ts'
import { readRow } from './read.ts'
import { searchesOf } from './search.ts'
import { Settings } from './settings.ts'
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
}
