/** Detection alerts of Elastic Security: asked for by point in time, or pushed by Kibana's webhook connector. */
import type { Connector } from '#contract/connector.ts'
import { systemClock } from '../clock.ts'
import { isBlank } from '../read-record.ts'
import { followAlerts } from './follow.ts'
import { readDocument } from './read.ts'
import { Settings } from './settings.ts'
import { unpack } from './unpack.ts'

export const connector: Connector<Settings> = {
  name: 'elastic',
  title: 'Elastic Security',
  settings: Settings,
  read(record, { settings, now }) {
    if (isBlank(record)) return []
    return unpack(record).flatMap((document) => readDocument(document, settings, now))
  },
  sources: (settings) =>
    settings.nodes.length === 0
      ? []
      : settings.spaces.map((space) => followAlerts(settings, space, systemClock)),
}
