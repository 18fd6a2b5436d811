/** The connectors that run, and how the sources that they follow fare. */
import { z } from '@hono/zod-openapi'
import type { Flow } from '../flow/flow.ts'
import { type App, mount } from './route.ts'

export function mountConnectors(app: App, flow: Flow): void {
  mount(app, {
    method: 'get',
    path: '/v1/connectors',
    summary: 'List connectors',
    tag: 'administration',
    access: 'read',
    answer: {
      status: 200,
      schema: z.object({
        success: z.literal(true),
        connectors: z.array(z.object({ name: z.string(), title: z.string(), path: z.string() })),
        sources: z.array(z.record(z.string(), z.unknown())),
      }),
      description: 'what runs, and how the sources that are followed fare',
      example: {
        success: true,
        connectors: [{ name: 'wazuh', title: 'Wazuh', path: '/v1/alerts/wazuh' }],
        sources: [],
      },
    },
    handle: async () => ({
      connectors: [...flow.connectors.values()].map(({ connector }) => ({
        name: connector.name,
        title: connector.title,
        path: `/v1/alerts/${connector.name}`,
      })),
      sources: flow.followed,
    }),
  })
}
