/** What a node says of itself: receipts of its orders, and heartbeats. */
import { z } from '@hono/zod-openapi'
import { Heartbeat, Receipts } from '#contract/receipt.ts'
import type { Flow } from '../flow/flow.ts'
import { nodeOf } from './node-of.ts'
import { type App, mount } from './route.ts'

export function mountNodeReports(app: App, flow: Flow): void {
  mount(app, {
    method: 'post',
    path: '/v1/receipts',
    summary: 'Report receipts',
    tag: 'agents',
    access: 'node',
    body: Receipts,
    bodyExample: {
      receipts: [
        {
          decision: 'd-4x7k2m9qz1hb0wfa',
          status: 'applied',
          audience: 'all',
          epoch: 1,
          seq: 7,
          at: 1_772_326_923_456,
        },
      ],
    },
    answer: {
      status: 202,
      schema: z.object({ success: z.literal(true), stored: z.int() }),
      description: 'stored',
      example: { success: true, stored: 1 },
    },
    handle: async ({ body, caller }) => {
      await flow.acknowledge(nodeOf(caller).name, body.receipts)
      return { stored: body.receipts.length }
    },
  })

  mount(app, {
    method: 'post',
    path: '/v1/heartbeat',
    summary: 'Report health',
    tag: 'agents',
    access: 'node',
    body: Heartbeat,
    bodyExample: {
      version: '0.1.0',
      backend: 'netlink',
      enforcing: true,
      cursor: 'all:1:42:NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs',
      claims: 12,
      elements: 12,
      clock_offset_ms: 3,
      started: 1_772_326_923_456,
      events: [],
    },
    answer: {
      status: 200,
      schema: z.object({ success: z.literal(true), time: z.int() }),
      description: "the service's clock, epoch milliseconds",
      example: { success: true, time: 1_772_326_923_456 },
    },
    handle: async ({ body, caller }) => {
      await flow.takeHeartbeat(nodeOf(caller).name, body)
      return { time: flow.now() }
    },
  })
}
