/** Is it alive, can it do its work, and its figures for Prometheus. */
import { z } from '@hono/zod-openapi'
import { Problem } from '#contract/problem.ts'
import type { Flow } from '../flow/flow.ts'
import { printMetrics } from './metrics.ts'
import { openReadiness } from './readiness.ts'
import { type App, may, mount } from './route.ts'

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
    description:
      'Writes to the store, and says so when it cannot. What other systems keep connectors from does not count: a balancer asks here. See cordon_connector_ready among the metrics, and /v1/connectors.',
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
      context.text(await printMetrics(flow), 200, { 'content-type': 'text/plain; version=0.0.4' }),
  })
}
