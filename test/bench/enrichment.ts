/** One enrichment job: from the platform's queue to its answer in the workers' queue, through a real broker and store. */
import { once } from 'node:events'
import pino from 'pino'
import type { SourceHealth } from '../../actions/flow/pull.ts'
import { serveConnectors } from '../../actions/flow/serve-connectors.ts'
import { insertAlerts, type NewAlert } from '../../actions/store/alerts.ts'
import { openSqlite } from '../../actions/store/sqlite.ts'
import { openStore } from '../../actions/store/store.ts'
import { connector } from '../../connectors/opencti/connector.ts'
import { Settings } from '../../connectors/opencti/settings.ts'
import { emptyWorld, queueNames, schemaMissing, startOpenCti } from '../doubles/opencti.ts'
import { declareQueues, onBroker } from '../doubles/opencti-queues.ts'
import { rabbitMissing, startRabbit } from '../doubles/rabbitmq.ts'
import { noSources } from '../no-sources.ts'
import { connectorId, entity, job } from '../opencti/jobs.ts'
import { type Figure, percentile, rounded } from './figure.ts'

const jobs = 200
const alertsEach = 20

/** Who enriches answers no question. */
async function noAnswer(): Promise<never> {
  throw new Error('nobody is asked here')
}

export async function measureEnrichment(): Promise<Figure[]> {
  const missing = rabbitMissing() || schemaMissing()
  if (missing) {
    console.error(`enrichment is not measured: ${missing}`)
    return []
  }
  const rabbit = await startRabbit()
  const world = emptyWorld()
  world.broker.port = rabbit.port
  world.declare = (id) => declareQueues(rabbit, world, id)
  const platform = await startOpenCti(world)
  const store = await openStore(openSqlite(':memory:'))
  await store.write((tx) => insertAlerts(tx, Array.from({ length: jobs * alertsEach }, alert)))
  const settings = Settings.parse({ id: connectorId, url: platform.url, token: world.token })
  const parts = {
    store,
    sources: noSources,
    orders: { approve: noAnswer, decline: noAnswer },
    log: pino({ level: 'silent' }),
    now: Date.now,
    pause: async () => {},
  }
  const health: SourceHealth[] = []
  await declareQueues(rabbit, world, connectorId)
  const serving = serveConnectors(parts, [{ connector, settings }], health)
  try {
    const taken = await onBroker(rabbit, async (model) => {
      const names = queueNames(world, connectorId)
      const channel = await model.createChannel()
      await channel.consume(names.push, () => channel.emit('answered'), { noAck: true })
      const taken: number[] = []
      for (let n = 0; n < jobs; n++) {
        const from = performance.now()
        const answered = once(channel, 'answered', { signal: AbortSignal.timeout(20_000) })
        const body = Buffer.from(job(entity(attacker(n))))
        channel.publish(names.listen_exchange, names.listen_routing, body)
        await answered
        // The first waits for the registration too.
        if (n > 0) taken.push(performance.now() - from)
      }
      return taken
    })
    return [
      {
        name: 'enrichment_job_p50_ms',
        value: rounded(percentile(taken, 0.5)),
        unit: 'ms',
        goal: '',
        detail: `queue to queue, p99 ${rounded(percentile(taken, 0.99))} ms, n=${taken.length}; the platform is a double in the same process`,
      },
    ]
  } finally {
    await serving.stop()
    await store.close()
    await platform.close()
    await rabbit.stop()
  }
}

function attacker(n: number): string {
  return `198.51.100.${n}`
}

function alert(_: unknown, index: number): NewAlert {
  const observed = new Date(Date.now() - index * 1_000).toISOString()
  const address = attacker(index % jobs)
  return {
    alert: {
      version: 1,
      id: `bench-${index}`,
      source: 'webhook',
      observed,
      received: observed,
      rule: { id: 'r', name: 'r', severity: 50, groups: [], mitre: [] },
      attacker: address,
      count: 1,
      original: '{}',
      original_cut: false,
    },
    decision: `d-${'0'.repeat(16)}`,
    offender: address,
    facts: null,
  }
}
