/** What a node asks for when the stream cannot go on: the whole state of an audience, and whether the past was lost. */
import { z } from '@hono/zod-openapi'
import { Audience, audiencesOf } from '#contract/audience.ts'
import { ChunkDigest } from '#contract/feed.ts'
import { Problem } from '#contract/problem.ts'
import { considerProof } from '../flow/epoch.ts'
import type { Flow } from '../flow/flow.ts'
import type { NodeIdentity } from '../store/nodes.ts'
import { nodeOf } from './node-of.ts'
import { type App, mount } from './route.ts'

export function mountNodeState(app: App, flow: Flow): void {
  mount(app, {
    method: 'get',
    path: '/v1/snapshot',
    summary: 'Ask for the whole state',
    tag: 'agents',
    access: 'node',
    query: z.strictObject({
      audience: Audience.meta({ example: 'all' }),
      nonce: z.string().min(16).max(100).meta({ example: 'q1Xw7mT0cZk9uB3e' }),
    }),
    answer: {
      status: 200,
      schema: z.object({ success: z.literal(true), manifest: z.string() }),
      description: 'a signed manifest that names the digests of the chunks',
      example: { success: true, manifest: 'eyJ…' },
    },
    handle: async ({ query, caller }) => {
      followed(nodeOf(caller), query.audience)
      return { manifest: await flow.snapshots.manifest(query.audience, query.nonce) }
    },
  })

  mount(app, {
    method: 'get',
    path: '/v1/snapshot/{digest}',
    summary: 'Fetch a chunk of the state',
    tag: 'agents',
    access: 'node',
    params: z.object({ digest: ChunkDigest }),
    answer: {
      status: 200,
      schema: z.string(),
      description: 'the chunk as it was digested',
      example: '[]',
    },
    problems: ['not_found'],
    handle: async ({ params }, context) =>
      context.body(flow.snapshots.chunk(params.digest), 200, {
        'content-type': 'application/json',
      }),
  })

  mount(app, {
    method: 'post',
    path: '/v1/proof',
    summary: 'Prove that the service lost its past',
    description:
      'A node whose place is beyond ours shows our own newest signature; if it is, a new epoch begins.',
    tag: 'agents',
    access: 'node',
    body: z.strictObject({ statement: z.string().max(4_000_000) }),
    bodyExample: { statement: 'eyJ…' },
    answer: {
      status: 200,
      schema: z.object({ success: z.literal(true), epoch: z.int() }),
      description: 'the epoch in force',
      example: { success: true, epoch: 2 },
    },
    handle: async ({ body, caller }) => {
      const { store, hub, keys } = flow
      return {
        epoch: await considerProof(
          store,
          hub,
          keys,
          nodeOf(caller).name,
          body.statement,
          flow.now(),
        ),
      }
    },
  })
}

function followed(node: NodeIdentity, audience: string): void {
  if (audiencesOf(node.name, node.groups).includes(audience)) return
  throw new Problem('forbidden', `${node.name} does not follow ${audience}`, {
    remedy: 'its groups were changed: the agent asks again by itself',
  })
}
