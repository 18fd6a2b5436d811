/** Port scans that the sensor of a node saw, which are alerts like those of any connector. */
import { z } from '@hono/zod-openapi'
import { Problem } from '#contract/problem.ts'
import { ScanReports } from '#contract/scan.ts'
import type { Flow } from '../flow/flow.ts'
import { receive } from '../flow/receive.ts'
import { nodeOf } from './node-of.ts'
import { type App, mount } from './route.ts'

export function mountNodeAlerts(app: App, flow: Flow): void {
  mount(app, {
    method: 'post',
    path: '/v1/node/alerts',
    summary: 'Report port scans',
    description:
      'What the port-scan sensor of the node saw, as alerts of the connector portscan with the node as their victim. To send them again is harmless.',
    tag: 'agents',
    access: 'node',
    body: ScanReports,
    bodyExample: {
      reports: [
        {
          kind: 'scan',
          source: '203.0.113.7',
          ports: ['tcp/21', 'tcp/22', 'tcp/23'],
          count: 15,
          window: 1_772_326_923_456,
          update: 0,
          first: 1_772_326_923_456,
          last: 1_772_326_925_456,
        },
      ],
    },
    answer: {
      status: 200,
      schema: z.object({
        success: z.literal(true),
        stored: z.int(),
        repeats: z.int(),
        refused: z.int(),
      }),
      description: 'the alerts, their decisions and the signed actions are on the disk',
      example: { success: true, stored: 1, repeats: 0, refused: 0 },
    },
    problems: ['not_found', 'overloaded'],
    handle: async ({ body, caller }) => takeScans(flow, nodeOf(caller).name, body),
  })
}

/** As alerts of the connector for it, which the policy judges like those of any other. Throws `not_found` without it. */
async function takeScans(flow: Flow, node: string, { reports }: z.output<typeof ScanReports>) {
  const running = flow.connectors.get('portscan')
  if (!running)
    throw new Problem('not_found', 'the connector portscan, which takes port scans, does not run', {
      remedy: 'name portscan in CORDON_CONNECTORS of the service, or set scan_sensor to false',
    })
  const records = reports.map((report) => ({ node, ...report }))
  const items = await receive(flow.recorder, running, records, flow.now())
  for (const listen of running.listeners ?? []) listen()
  const count = (status: string) => items.filter((item) => item.status === status).length
  return { stored: count('stored'), repeats: count('repeat'), refused: count('refused') }
}
