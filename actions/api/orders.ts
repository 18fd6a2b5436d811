/** What a person may order: block, allow, limit, approve, decline, extend, lift. */
import { z } from '@hono/zod-openapi'
import { Direction, InterfaceName, mostPorts, PortRange, Protocol, Rate } from '#contract/action.ts'
import { readAddress } from '#contract/address.ts'
import { Audience } from '#contract/audience.ts'
import { Duration } from '#contract/duration.ts'
import { Problem } from '#contract/problem.ts'
import { tellExempt } from '../flow/exempt.ts'
import type { Flow } from '../flow/flow.ts'
import { measures } from '../flow/manual-measure.ts'
import type { Ordered } from '../flow/revise.ts'
import { type Decision, findDecision } from '../store/decisions.ts'
import { awaitNodes } from './await-nodes.ts'
import { type App, mount, type RouteContext } from './route.ts'
import type { DecisionShape as Shown } from './shapes.ts'
import {
  idParams,
  One,
  oneExample,
  Reason,
  showDecisions,
  waitQuery,
  who,
} from './show-decisions.ts'

const Length = Duration.optional().meta({
  type: 'string',
  example: '4h',
  description: 'a length such as 90s, 15m, 4h, 7d',
})
const Noticed = One.extend({ notice: z.string().optional() })
const participle = { block: 'blocked', allow: 'allowed', limit: 'limited' } as const
const pending = 'kept, and done when a second person says the same'

export function mountOrders(app: App, flow: Flow): void {
  const done = (waitSeconds: number, order: () => Promise<Ordered>) =>
    whenAnswered(flow, waitSeconds, order)

  mount(app, {
    method: 'post',
    path: '/v1/decisions',
    summary: 'Block an address',
    description:
      'An order by hand about one host or network: block it, limit how many packets of it pass, or allow it although other decisions, lists or standing rules stop it. What it says of interface, peer, protocol and ports narrows it: forward_from 198.51.100.7 at interface eth0 to peer 192.0.2.10 at peer_interface eth1 is what that host may send to that peer through a router. A block or a limit passes the protected networks like any other; an allow is never wider than the ceilings of the policy. A second order about an address is a second decision, and the longer one counts; to lift the address lifts both. What an allow in force takes from its effect is said in notice. What is sent again under the same idempotency_key is the first.',
    tag: 'decisions',
    access: 'review',
    query: waitQuery,
    body: z.strictObject({
      target: z.string().meta({ example: '203.0.113.7', description: 'host or network' }),
      for: Length,
      reason: Reason,
      audience: z.array(Audience).min(1).optional(),
      direction: Direction.optional(),
      action: z.enum(measures).default('block'),
      response: z.enum(['drop', 'reject']).optional().meta({
        description: 'of a block: reject tells the sender, and costs an answer for each packet',
      }),
      rate: Rate.optional().meta({ description: 'of a limit: what is above it is dropped' }),
      interface: InterfaceName.optional().meta({
        description:
          'on the side of the target: by which it comes from there, or leaves to it; of forward without a peer_interface, either',
      }),
      peer: z.string().optional().meta({
        example: '192.0.2.10',
        description:
          'host or network of the family of the target at the other end: where what comes from the target goes to, or whence what goes to it comes',
      }),
      peer_interface: InterfaceName.optional().meta({
        description: 'on the side of the peer, of what is forwarded only',
      }),
      protocol: Protocol.optional(),
      ports: z.array(PortRange).min(1).max(mostPorts).optional(),
      at_once: z.boolean().default(false).meta({
        description: 'a wide block that the policy tries on a few nodes first goes to all at once',
      }),
      idempotency_key: z.string().min(1).max(200).optional().meta({
        description:
          'of your own, such as the id of a run and a step: what is sent again under it with the same token is done once, and answered with what became of it; the header Idempotency-Key says the same',
      }),
    }),
    bodyExample: { target: '203.0.113.7', for: '4h', reason: 'seen in three incidents' },
    answer: {
      status: 201,
      schema: Noticed,
      description: 'signed and sent',
      pending,
      example: oneExample,
    },
    problems: ['address_invalid', 'too_wide', 'protected_target', 'conflict'],
    handle: async ({ query, body, caller }, context) => {
      const { target, for: lengthMs, reason, at_once: atOnce, idempotency_key, ...rest } = body
      const key = idempotency_key ?? keyIn(context)
      const wished = { target, lengthMs, atOnce, key, ...rest }
      const order = () => flow.orders.order(wished, who(caller, reason))
      const { shown, second, decision } = await done(query.wait_s, order)
      const { peer } = rest
      const notices = [
        readAddress(target).cleared &&
          `host bits were set; the network ${shown.target} is ${second ? 'asked about' : participle[shown.action]}`,
        peer !== undefined &&
          readAddress(peer).cleared &&
          `host bits of the peer were set; the peer is the network ${shown.peer}`,
        second ?? (await tellExempt(flow.store.read, decision, flow.now())),
      ].filter((notice) => notice !== undefined && notice !== false)
      const notice = notices.length > 0 ? { notice: notices.join('; ') } : {}
      return answer(context, { decision: shown, ...notice }, second, 201)
    },
  })

  mount(app, {
    method: 'post',
    path: '/v1/decisions/{id}/approve',
    summary: 'Approve a decision',
    description: 'Issues what waited for a person, if wished with another length or audience.',
    tag: 'decisions',
    access: 'review',
    params: idParams,
    query: waitQuery,
    body: z.strictObject({
      reason: Reason,
      for: Length,
      audience: z.array(Audience).min(1).optional(),
      at_once: z.boolean().default(false).meta({
        description: 'a wide block that the policy tries on a few nodes first goes to all at once',
      }),
    }),
    bodyExample: { reason: 'known bad network' },
    answer: {
      status: 200,
      schema: Noticed,
      description: 'issued',
      pending,
      example: oneExample,
    },
    problems: ['not_found', 'conflict', 'protected_target'],
    handle: async ({ params, query, body, caller }, context) => {
      const change = { lengthMs: body.for, audience: body.audience, atOnce: body.at_once }
      const approve = () => flow.orders.approve(params.id, change, who(caller, body.reason))
      const { shown, second } = await done(query.wait_s, approve)
      return answer(context, { decision: shown, ...(second && { notice: second }) }, second, 200)
    },
  })

  mount(app, {
    method: 'post',
    path: '/v1/decisions/{id}/decline',
    summary: 'Decline a decision',
    tag: 'decisions',
    access: 'review',
    params: idParams,
    body: z.strictObject({ reason: Reason }),
    bodyExample: { reason: 'our own scanner' },
    answer: { status: 200, schema: One, description: 'declined', example: oneExample },
    problems: ['not_found', 'conflict'],
    handle: async ({ params, body, caller }) => ({
      decision: (await done(0, () => flow.orders.decline(params.id, who(caller, body.reason))))
        .shown,
    }),
  })

  mount(app, {
    method: 'post',
    path: '/v1/decisions/{id}/extend',
    summary: 'Extend a block',
    description: 'A new end, counted from now, later than the present one.',
    tag: 'decisions',
    access: 'review',
    params: idParams,
    query: waitQuery,
    body: z.strictObject({ for: Duration.meta({ type: 'string', example: '7d' }), reason: Reason }),
    bodyExample: { for: '7d', reason: 'still scanning' },
    answer: {
      status: 200,
      schema: Noticed,
      description: 'issued again with the new end',
      pending,
      example: oneExample,
    },
    problems: ['not_found', 'conflict', 'protected_target'],
    handle: async ({ params, query, body, caller }, context) => {
      const extend = () => flow.orders.extend(params.id, body.for, who(caller, body.reason))
      const { shown, second } = await done(query.wait_s, extend)
      return answer(context, { decision: shown, ...(second && { notice: second }) }, second, 200)
    },
  })

  mount(app, {
    method: 'post',
    path: '/v1/decisions/{id}/lift',
    summary: 'Lift a block',
    tag: 'decisions',
    access: 'review',
    params: idParams,
    query: waitQuery,
    body: z.strictObject({ reason: Reason }),
    bodyExample: { reason: 'false alarm' },
    answer: {
      status: 200,
      schema: One,
      description: 'lifted; nodes confirm by receipt',
      example: oneExample,
    },
    problems: ['not_found', 'conflict'],
    handle: async ({ params, query, body, caller }) => {
      const lift = () => flow.orders.lift(params.id, who(caller, body.reason))
      return { decision: (await done(query.wait_s, lift)).shown }
    },
  })
}

/** Importers send a header that was left empty as one of these texts. */
function keyIn(context: RouteContext): string | undefined {
  const key = context.req.header('idempotency-key')?.trim()
  return key === undefined || nothing.includes(key) ? undefined : key
}
const nothing = ['', '%!s(<nil>)', 'undefined', 'null']

/** Carries the order out and shows it once all connected nodes that it is for have answered, or after the time. */
async function whenAnswered(
  flow: Flow,
  waitSeconds: number,
  order: () => Promise<Ordered>,
): Promise<{ shown: Shown; second: string | undefined; decision: Decision }> {
  const decision = await awaitNodes(flow, waitSeconds, order, (done) =>
    done.pending ? [] : [done],
  )
  const { id, target, pending } = decision
  const second = pending && `${target} is so wide that a second person has to say the same of ${id}`
  const now = (await findDecision(flow.store.read, id)) ?? decision
  const [shown] = await showDecisions(flow, [now])
  if (!shown) throw new Problem('internal', `decision ${id} cannot be shown`)
  return { shown, second, decision: now }
}

/** 202 while a second person is waited for. */
function answer(
  context: RouteContext,
  body: object,
  second: string | undefined,
  status: 200 | 201,
) {
  return context.json({ success: true, ...body }, second === undefined ? status : 202)
}
