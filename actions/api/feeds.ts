/** Lists that are enforced as a whole: their chunks for the nodes, and for people what is enforced where. */
import { z } from '@hono/zod-openapi'
import { Audience, audiencesOf, NodeName } from '#contract/audience.ts'
import { ChunkDigest, FeedName } from '#contract/feed.ts'
import { ReceiptStatus } from '#contract/receipt.ts'
import { printTime, TimeText } from '#contract/time.ts'
import type { Flow } from '../flow/flow.ts'
import { showFeeds } from '../flow/show-feeds.ts'
import { answerChunk, chunkAnswer, chunkDescription } from './chunk.ts'
import { nodeOf } from './node-of.ts'
import { type App, mount } from './route.ts'

const NodeFeed = z.object({
  node: NodeName,
  status: z.enum([...ReceiptStatus.options, 'unheard']).meta({
    description: 'unheard: the node has not told of this version yet',
  }),
  entries: z.int(),
  since: TimeText.nullable(),
  code: z.string().nullable(),
  detail: z.string().nullable(),
})

const FeedShape = z
  .object({
    feed: FeedName,
    audience: Audience,
    version: z.int(),
    entries: z.int(),
    published: TimeText.meta({ description: 'when its networks were told as they are' }),
    not_after: TimeText.meta({ description: 'when it ends on the nodes unless it is refreshed' }),
    nodes: z.array(NodeFeed),
  })
  .meta({ id: 'Feed' })

const example = {
  feed: 'spamhaus_drop',
  audience: 'all',
  version: 1_772_326_923_456,
  entries: 1_432,
  published: '2026-03-01T01:02:03.456Z',
  not_after: '2026-03-01T04:02:03.456Z',
  nodes: [
    {
      node: 'web-01',
      status: 'applied' as const,
      entries: 1_432,
      since: '2026-03-01T01:02:04.001Z',
      code: null,
      detail: null,
    },
  ],
}

export function mountFeeds(app: App, flow: Flow): void {
  mount(app, {
    method: 'get',
    path: '/v1/feeds',
    summary: 'List what is enforced as a whole',
    tag: 'administration',
    access: 'read',
    answer: {
      status: 200,
      schema: z.object({ success: z.literal(true), feeds: z.array(FeedShape) }),
      description: 'lists by audience, and how each of its nodes stands to them',
      example: { success: true, feeds: [example] },
    },
    handle: async () => {
      const feeds = await showFeeds(flow.store.read, await flow.feeds.published())
      return {
        feeds: feeds.map(({ published, not_after, nodes, ...feed }) => ({
          ...feed,
          published: printTime(published),
          not_after: printTime(not_after),
          nodes: nodes.map(({ at, ...node }) => ({
            ...node,
            since: at === null ? null : printTime(at),
          })),
        })),
      }
    },
  })

  mount(app, {
    method: 'get',
    path: '/v1/feeds/{feed}/{digest}',
    summary: 'Fetch a chunk of a list',
    description: chunkDescription,
    tag: 'agents',
    access: 'node',
    params: z.object({ feed: FeedName.meta({ example: 'spamhaus_drop' }), digest: ChunkDigest }),
    answer: chunkAnswer,
    problems: ['not_found'],
    handle: async ({ params, caller }, context) => {
      const node = nodeOf(caller)
      const audiences = audiencesOf(node.name, node.groups)
      const text = await flow.feeds.chunk(audiences, params.feed, params.digest)
      return answerChunk(context, text)
    },
  })
}
