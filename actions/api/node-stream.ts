/** The stream of signed actions that a node follows. */
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { z } from '@hono/zod-openapi'
import { audiencesOf, readCursor } from '#contract/audience.ts'
import type { Flow } from '../flow/flow.ts'
import { eventFrame } from '../flow/hub.ts'
import { openStream } from '../flow/stream.ts'
import type { NodeIdentity } from '../store/nodes.ts'
import { nodeOf } from './node-of.ts'
import { type App, mount, type RouteContext } from './route.ts'

/** Bytes that a stream which ends may still have to send. */
const unreadBytes = 1_024 * 1_024

export function mountNodeStream(app: App, flow: Flow): void {
  mount(app, {
    method: 'get',
    path: '/v1/stream',
    summary: 'Follow actions',
    description:
      'Server-sent events: hello, envelope (a signed batch of actions; its id is the cursor), head (a signed place, every 15 s), feeds (which lists an audience enforces as a whole, signed), posture (the standing rules of an audience, signed), resync (ask for a snapshot), groups. Send the last id as Last-Event-ID to go on after it.',
    tag: 'agents',
    access: 'node',
    answer: {
      status: 200,
      schema: z.string(),
      type: 'text/event-stream',
      description: 'an endless stream',
      example: 'event: hello\ndata: {"node":"web-01","groups":["web"],"time":1772326923456}\n\n',
    },
    handle: async ({ caller }, context) => {
      await streamTo(flow, nodeOf(caller), context)
      return RESPONSE_ALREADY_SENT
    },
  })
}

/** Frames go straight to the socket: a web stream between would cost more than the frame. */
async function streamTo(flow: Flow, node: NodeIdentity, context: RouteContext): Promise<void> {
  const from = readCursor(context.req.header('last-event-id') ?? '')
  const { outgoing } = context.env
  outgoing.writeHead(200, {
    'content-type': 'text/event-stream',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  })
  const connection = {
    write: (frame: string) => {
      if (outgoing.destroyed || outgoing.writableEnded) return 0
      outgoing.write(frame)
      return outgoing.writableLength
    },
    // What waits for a listener that does not read would be kept for as long as he likes.
    end: () => void (outgoing.writableLength > unreadBytes ? outgoing.destroy() : outgoing.end()),
  }
  let leave = () => {}
  let closed = false
  outgoing.once('close', () => {
    closed = true
    leave()
  })
  try {
    leave = await openStream(flow.store, flow.hub, node, from, connection, flow.now())
    // A newer one that was told meanwhile wins, in whatever order they come.
    const audiences = audiencesOf(node.name, node.groups)
    for (const jws of await flow.feeds.statements(audiences))
      connection.write(eventFrame('feeds', jws))
    for (const jws of await flow.postures.statements(audiences))
      connection.write(eventFrame('posture', jws))
  } catch (error) {
    // The answer has begun, so that all that can be said is that it ends here; the node comes back.
    flow.log.warn({ err: error, node: node.name }, 'a stream was not opened')
    outgoing.destroy()
  }
  if (closed) leave()
}
