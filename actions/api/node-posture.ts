/** Standing rules for the nodes: the networks that they name, and what a node says of a version that it tries. */
import { z } from '@hono/zod-openapi'
import { audiencesOf } from '#contract/audience.ts'
import { ChunkDigest } from '#contract/feed.ts'
import { PostureReceipt } from '#contract/posture.ts'
import type { Flow } from '../flow/flow.ts'
import { answerChunk, chunkAnswer, chunkDescription } from './chunk.ts'
import { nodeOf } from './node-of.ts'
import { type App, mount } from './route.ts'

export function mountNodePosture(app: App, flow: Flow): void {
  mount(app, {
    method: 'get',
    path: '/v1/posture/chunks/{digest}',
    summary: 'Fetch networks of a country',
    description: chunkDescription,
    tag: 'agents',
    access: 'node',
    params: z.object({ digest: ChunkDigest }),
    answer: chunkAnswer,
    problems: ['not_found'],
    handle: async ({ params, caller }, context) => {
      const { name, groups } = nodeOf(caller)
      const text = await flow.postures.chunk(audiencesOf(name, groups), params.digest)
      return answerChunk(context, text)
    },
  })

  mount(app, {
    method: 'post',
    path: '/v1/posture/receipt',
    summary: 'Confirm standing rules',
    description: 'That it is answered is what a node needs to keep a version that it tries.',
    tag: 'agents',
    access: 'node',
    body: PostureReceipt,
    bodyExample: {
      audience: 'group/web',
      version: 1_772_326_923_456,
      status: 'trying',
      at: 1_772_326_924_001,
      in_force: 1_772_326_923_456,
    },
    answer: {
      status: 200,
      schema: z.object({ success: z.literal(true), time: z.int() }),
      description: "the service's clock, epoch milliseconds",
      example: { success: true, time: 1_772_326_924_010 },
    },
    handle: async ({ body, caller }) => {
      const { name, groups } = nodeOf(caller)
      // What is said of others is answered, since that is what it is for, and not kept.
      if (audiencesOf(name, groups).includes(body.audience)) flow.postures.hear(name, body)
      return { time: flow.now() }
    },
  })
}
