/** Is it alive, can it do its work, and its figures for Prometheus. */
import { z } from '@hono/zod-openapi'
import { Problem } from '#contract/problem.ts'
import type { Flow } from '../flow/flow.ts'
import { listNodes } from '../store/nodes.ts'
import { countBlocks } from '../store/tallies.ts'
import { openReadiness } from './readiness.ts'
import { type App, may, mount } from './route.ts'
import { showNode } from './shapes.ts'

const Fine = z.object({ success: z.literal(true), message: z.string() })

export function mountHealth(app: App, flow: Flow): void {
  const notReady = openReadiness(flow)
  mount(app, {
    method: 'get',
    path: '/healthz',
    summary: 'Check that the service lives',
    tag: 'health',
    access: 'anybody',
    answer: {
      status: 200,
      schema: Fine,
      description: 'it answers',
      example: { success: true, message: 'alive' },
    },
    handle: async () => ({ message: 'alive' }),
  })

  mount(app, {
    method: 'get',
    path: '/readyz',
    summary: 'Check that the service can work',
    description: 'Writes to the store; says so when it cannot, or when a followed source fails.',
    tag: 'health',
    access: 'anybody',
    answer: {
      status: 200,
      schema: Fine,
      description: 'ready',
      example: { success: true, message: 'ready' },
    },
    handle: async ({ caller }) => {
      const problem = await notReady()
      if (problem === undefined) return { message: 'ready' }
      if (may(caller, 'read')) throw problem
      throw new Problem('store_unavailable', 'the service cannot work', {
        remedy: 'ask again with a token that may read, or look at its log',
      })
    },
  })

  mount(app, {
    method: 'get',
    path: '/metrics',
    summary: 'Show the metrics',
    tag: 'health',
    access: 'read',
    answer: {
      status: 200,
      schema: z.string(),
      type: 'text/plain',
      description: 'Prometheus text format',
      example: '# TYPE cordon_blocks_in_force gauge\ncordon_blocks_in_force 12\n',
    },
    handle: async (_, context) =>
      context.text(await metrics(flow), 200, { 'content-type': 'text/plain; version=0.0.4' }),
  })
}

async function metrics(flow: Flow): Promise<string> {
  const now = flow.now()
  const { inForce, recent } = await countBlocks(flow.store.read, now, now - 60_000)
  const decisions = await byColumn(flow, 'decisions', 'state')
  const outcomes = await byColumn(flow, 'decisions', 'outcome')
  const alerts = await byColumn(flow, 'alerts', 'source')
  const receipts = await byColumn(flow, 'receipts', 'status')
  const nodes = await listNodes(flow.store.read)
  const states = Map.groupBy(nodes, (node) => showNode(node, false, now).state)
  return [
    metric('cordon_blocks_in_force', 'gauge', 'Decisions that block now', [['', inForce]]),
    metric('cordon_blocks_last_minute', 'gauge', 'Blocks issued by the policy in the last minute', [
      ['', recent],
    ]),
    metric('cordon_alerts', 'gauge', 'Alerts stored, by connector', labelled('source', alerts)),
    metric('cordon_decisions', 'gauge', 'Decisions stored, by state', labelled('state', decisions)),
    metric(
      'cordon_verdicts',
      'gauge',
      'Decisions stored, by verdict',
      labelled('verdict', outcomes),
    ),
    metric('cordon_receipts', 'gauge', 'Last receipts, by status', labelled('status', receipts)),
    metric(
      'cordon_nodes',
      'gauge',
      'Nodes, by state',
      labelled(
        'state',
        [...states].map(([s, n]) => [s, n.length]),
      ),
    ),
    metric('cordon_streams', 'gauge', 'Nodes connected now', [['', flow.hub.count()]]),
    metric('cordon_alerts_waiting', 'gauge', 'Alerts that wait to be recorded', [
      ['', flow.recorder.waiting()],
    ]),
    metric('process_resident_memory_bytes', 'gauge', 'Resident memory', [
      ['', process.memoryUsage.rss()],
    ]),
  ].join('')
}

type Sample = [labels: string, value: number]

function metric(name: string, type: string, help: string, samples: readonly Sample[]): string {
  const lines = samples.map(([labels, value]) => `${name}${labels} ${value}\n`).join('')
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines}`
}

function labelled(label: string, counts: readonly (readonly [string, number])[]): Sample[] {
  return counts.map(([value, n]) => [`{${label}="${value.replace(/["\\\n]/g, '_')}"}`, n])
}

async function byColumn(
  flow: Flow,
  table: 'decisions' | 'alerts' | 'receipts',
  column: 'state' | 'outcome' | 'source' | 'status',
) {
  return flow.store.read
    .selectFrom(table)
    .select((row) => [
      row.ref(column).$castTo<string>().as('label'),
      row.fn.countAll<number>().as('n'),
    ])
    .groupBy(column)
    .execute()
    .then((rows) => rows.map(({ label, n }) => [label, n] as const))
}
