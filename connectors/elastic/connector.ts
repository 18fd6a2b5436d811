/**
 * Detection alerts of Elastic Security: asked for by point in time, or pushed by Kibana's webhook connector. What came of
 * them goes to a data stream, and to the alerts themselves.
 */
import type { Connector } from '#contract/connector.ts'
import { systemClock } from '../clock.ts'
import { isBlank } from '../read-record.ts'
import { followAlerts } from './follow.ts'
import { alertsSink } from './kibana/sink.ts'
import { readDocument } from './read.ts'
import { resultsSink } from './results/sink.ts'
import { Settings } from './settings.ts'
import { tryCluster } from './try-cluster.ts'
import { tryKibana } from './try-kibana.ts'
import { split, unpack } from './unpack.ts'

export const connector: Connector<Settings> = {
  name: 'elastic',
  title: 'Elastic Security',
  settings: Settings,
  split,
  read(record, { settings, now }) {
    if (isBlank(record)) return []
    return unpack(record).flatMap((document) => readDocument(document, settings, now))
  },
  sources: (settings) =>
    settings.nodes.length === 0
      ? []
      : settings.spaces.map((space) => followAlerts(settings, space, systemClock)),
  sinks: (settings) => [
    ...(settings.results ? [resultsSink(settings)] : []),
    ...(settings.kibana === undefined ? [] : [alertsSink(settings)]),
  ],
  test: async (settings, signal) => [
    ...(settings.nodes.length === 0 ? [] : await tryCluster(settings, signal)),
    ...(settings.kibana === undefined ? [] : await tryKibana(settings, signal)),
  ],
}
