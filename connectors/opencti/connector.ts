/** OpenCTI: asked about addresses; and asks us about its own, which are answered with what Cordon saw and did. */
import type { Connector } from '#contract/connector.ts'
import { serveEnrichment } from './enrich/serve.ts'
import { openSightings } from './enrich/sightings.ts'
import { environment } from './environment.ts'
import { openLookup } from './lookup/lookup.ts'
import { Settings } from './settings.ts'
import { testPlatform } from './test-platform.ts'

export const connector: Connector<Settings> = {
  name: 'opencti',
  title: 'OpenCTI',
  settings: Settings,
  environment,
  lookup: (settings) => openLookup(settings, Date.now),
  sinks: openSightings,
  test: testPlatform,
  serve: (settings, cordon) => serveEnrichment(settings, cordon),
}
