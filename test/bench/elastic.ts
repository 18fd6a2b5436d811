/** 10,000 alerts of Elastic, asked for by the vendor's client into a store on the disk: read, judged, blocked. */
import { setTimeout as pause } from 'node:timers/promises'
import { followSources, type SourceHealth } from '../../actions/flow/pull.ts'
import { connector } from '../../connectors/elastic/connector.ts'
import { elasticAlert, elasticSettings, start } from '../connectors/elastic-world.ts'
import { elasticWorld, startElastic } from '../doubles/elastic.ts'
import { openTestService } from '../service.ts'
import { type Figure, rounded } from './figure.ts'

const alerts = 10_000
const policy = `
version: 1
ceilings: { blocks_per_minute: 1000000, blocks_in_force: 1000000 }
rules:
  - { name: severe, because: severe, when: alert.severity >= 70, verdict: block, for: 1h }
`

export async function measureElastic(): Promise<Figure[]> {
  const world = elasticWorld({ alerts: Array.from({ length: alerts }, (_, n) => nth(n)) })
  const cluster = await startElastic(world)
  const service = await openTestService({ policy, now: start + 600_000, onDisk: true })
  const { store, recorder, log, now } = service.flow
  const health: SourceHealth[] = []
  const began = performance.now()
  const followed = followSources(
    { store, recorder, log, now, pause: async (ms) => void (await pause(ms)) },
    [{ connector, settings: elasticSettings(cluster.url, { page: 500 }) }],
    health,
  )
  try {
    while ((health[0]?.records ?? 0) < alerts) await pause(5)
    const seconds = (performance.now() - began) / 1_000
    const detail =
      '10,000 alerts of 2 KB in pages of 500, all judged block, full fsync; the double in the same process, loading of the client included'
    return [{ name: 'elastic_10k_s', value: rounded(seconds), unit: 's', goal: '', detail }]
  } finally {
    await followed.stop()
    await service.close()
    await cluster.close()
  }
}

function nth(n: number) {
  return elasticAlert(n, start + n * 10, {
    source: { ip: `198.18.${n >> 8}.${n & 255}`, port: 40_000 },
    destination: { ip: '10.0.0.5', port: 22 },
    message: 'Failed password for root '.repeat(48),
  })
}
