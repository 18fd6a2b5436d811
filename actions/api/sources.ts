/** Sources of facts about addresses, and whether each of them answers. */
import { z } from '@hono/zod-openapi'
import { printTime } from '#contract/time.ts'
import type { SourceState } from '../facts/source.ts'
import type { Flow } from '../flow/flow.ts'
import { type App, mount, ProblemSchema } from './route.ts'

const Source = z.object({
  name: z.string().meta({ description: 'as the policy calls it' }),
  kind: z.enum(['places', 'list', 'provider']),
  state: z.enum(['ready', 'silent']).meta({
    description: 'a silent source says nothing of any address, which never counts as clean',
  }),
  problem: ProblemSchema.optional().meta({
    description: 'what is wrong; also of a ready source, which goes on with what it had before',
  }),
  age_ms: z.number().optional().meta({ description: 'since its data were made' }),
  since: z.string().optional().meta({ description: 'when it came into this state' }),
  details: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
})

export function mountSources(app: App, flow: Pick<Flow, 'sources'>): void {
  mount(app, {
    method: 'get',
    path: '/v1/sources',
    summary: 'List the sources of facts',
    description: 'Databases of places, lists of addresses, and providers of intelligence.',
    tag: 'administration',
    access: 'read',
    answer: {
      status: 200,
      schema: z.object({ success: z.literal(true), sources: z.array(Source) }),
      description: 'what is known of addresses, how old it is, and what is wrong',
      example: {
        success: true,
        sources: [
          {
            name: 'spamhaus_drop',
            kind: 'list',
            state: 'ready',
            age_ms: 3_600_000,
            since: '2026-03-01T01:02:03.456Z',
            details: { from: 'https://www.spamhaus.org/drop/drop_v4.json', entries: 1_200 },
          },
        ],
      },
    },
    handle: async () => ({ sources: flow.sources.states().map(show) }),
  })
}

function show({ age, since, ...state }: SourceState): z.input<typeof Source> {
  return {
    ...state,
    ...(age !== undefined && { age_ms: age }),
    ...(since !== undefined && { since: printTime(since) }),
  }
}
