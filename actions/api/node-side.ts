/** What the agents talk to: stream, snapshots, keys, receipts, heartbeats. */
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { z } from '@hono/zod-openapi'
import { Audience, audiencesOf, readCursor } from '#contract/audience.ts'
import { KeySet } from '#contract/key.ts'
import { Problem } from '#contract/problem.ts'
import { Heartbeat, Receipts } from '#contract/receipt.ts'
import { ScanReports } from '#contract/scan.ts'
import { considerProof } from '../flow/epoch.ts'
import type { Flow } from '../flow/flow.ts'
import { eventFrame } from '../flow/hub.ts'
import { receive } from '../flow/receive.ts'
import { openStream } from '../flow/stream.ts'
import type { NodeIdentity } from '../store/nodes.ts'
import { type App, type Caller, mount, type RouteContext } from './route.ts'

const Text = z.string()

/** Bytes that a stream which ends may still have to send. */
const unreadBytes = 1_024 * 1_024

export function mountNodeSide(app: App, flow: Flow): void {
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
      schema: Text,
      type: 'text/event-stream',
      description: 'an endless stream',
      example: 'event: hello\ndata: {"node":"web-01","groups":["web"],"time":1772326923456}\n\n',
    },
    handle: async ({ caller }, context) => {
      await streamTo(flow, nodeOf(caller), context)
      return RESPONSE_ALREADY_SENT
    },
  })

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
      schema: z.object({ success: z.literal(true), manifest: Text }),
      description: 'a signed manifest that names the digests of the chunks',
      example: { success: true, manifest: 'eyJ…' },
    },
    handle: async ({ query, caller }) => {
      followed(nodeOf(caller), query.audience)
      return { manifest: await flow.snapshots.manifest(query.audience, query.nonce, flow.now()) }
    },
  })

  mount(app, {
    method: 'get',
    path: '/v1/snapshot/{digest}',
    summary: 'Fetch a chunk of the state',
    tag: 'agents',
    access: 'node',
    params: z.object({
      digest: z
        .string()
        .regex(/^[0-9a-f]{64}$/)
        .meta({ example: '4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945' }),
    }),
    answer: {
      status: 200,
      schema: Text,
      description: 'the chunk as it was digested',
      example: '[]',
    },
    problems: ['not_found'],
    handle: async ({ params }, context) =>
      context.body(flow.snapshots.chunk(params.digest, flow.now()), 200, {
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

  mount(app, {
    method: 'get',
    path: '/v1/keys',
    summary: 'List key announcements',
    description: 'Each is a key set under the signature of the key before it.',
    tag: 'agents',
    access: 'anybody',
    answer: {
      status: 200,
      schema: z.object({ success: z.literal(true), announcements: z.array(Text) }),
      description: 'oldest first',
      example: { success: true, announcements: [] },
    },
    handle: async () => ({ announcements: flow.keys.announcements() }),
  })

  mount(app, {
    method: 'get',
    path: '/.well-known/jwks.json',
    summary: 'Show the public keys',
    tag: 'agents',
    access: 'anybody',
    answer: {
      status: 200,
      schema: KeySet,
      description: 'a JWKS (RFC 7517)',
      example: { keys: [] },
    },
    handle: async (_, context) => context.json({ keys: flow.keys.published() }),
  })

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

export function nodeOf(caller: Caller): NodeIdentity {
  if (caller.kind === 'node') return caller.node
  throw new Problem('forbidden', 'only a node may do this')
}

function followed(node: NodeIdentity, audience: string): void {
  if (audiencesOf(node.name, node.groups).includes(audience)) return
  throw new Problem('forbidden', `${node.name} does not follow ${audience}`, {
    remedy: 'its groups were changed: the agent asks again by itself',
  })
}
