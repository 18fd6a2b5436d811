/** The journal: read and verified. */
import { z } from '@hono/zod-openapi'
import { printTime } from '#contract/time.ts'
import type { Flow } from '../flow/flow.ts'
import { readJournal, verifyJournal } from '../store/journal.ts'
import { type App, mount } from './route.ts'

export function mountJournal(app: App, flow: Flow): void {
  mount(app, {
    method: 'get',
    path: '/v1/journal',
    summary: 'Read the journal',
    tag: 'administration',
    access: 'read',
    query: z.strictObject({
      after: z.coerce.number().int().min(0).default(0).meta({ example: 0 }),
      subject: z.string().optional().meta({ example: 'd-4x7k2m9qz1hb0wfa' }),
      limit: z.coerce.number().int().min(1).max(1_000).default(100).meta({ example: 100 }),
    }),
    answer: {
      status: 200,
      schema: z.object({
        success: z.literal(true),
        lines: z.array(
          z.object({
            seq: z.int(),
            at: z.string(),
            actor: z.string(),
            action: z.string(),
            subject: z.string(),
            before: z.unknown(),
            after: z.unknown(),
            hash: z.string(),
          }),
        ),
      }),
      description: 'oldest first',
      example: { success: true, lines: [] },
    },
    handle: async ({ query: { after, limit, subject } }) => {
      const lines = await readJournal(flow.store.read, {
        after,
        limit,
        ...(subject !== undefined && { subject }),
      })
      return {
        lines: lines.map(({ prev: _, ...line }) => ({
          ...line,
          at: printTime(line.at),
          before: line.before === null ? null : JSON.parse(line.before),
          after: line.after === null ? null : JSON.parse(line.after),
        })),
      }
    },
  })

  mount(app, {
    method: 'get',
    path: '/v1/journal/verify',
    summary: 'Verify the journal',
    tag: 'administration',
    access: 'read',
    answer: {
      status: 200,
      schema: z.object({
        success: z.literal(true),
        whole: z.boolean(),
        lines: z.int(),
        head: z.string(),
        from: z.int().optional().meta({
          description: 'the first line that is there, when retention let earlier ones go',
        }),
        broken: z.int().optional().meta({ description: 'the first line that does not follow' }),
      }),
      description: 'whether every line follows from the one before',
      example: { success: true, whole: true, lines: 120, head: '9f86d08…' },
    },
    handle: async () => {
      const result = await verifyJournal(flow.store.read)
      return { whole: result.broken === undefined, ...result }
    },
  })
}
