/** Decisions: what was judged and why, and what a person may do about it. */
import { z } from '@hono/zod-openapi'
import { Direction } from '#contract/action.ts'
import { readAddress } from '#contract/address.ts'
import { Alert } from '#contract/alert.ts'
import { Audience } from '#contract/audience.ts'
import { Duration } from '#contract/duration.ts'
import { Problem } from '#contract/problem.ts'
import { printTime } from '#contract/time.ts'
import { decisionsOn } from '../flow/decisions-on.ts'
import type { Flow } from '../flow/flow.ts'
import type { Who } from '../flow/order.ts'
import { alertsOf } from '../store/alerts.ts'
import { type Decision, decisionStates, findDecision, listDecisions } from '../store/decisions.ts'
import { readJournal } from '../store/journal.ts'
import { listNodes } from '../store/nodes.ts'
import { receiptsOf } from '../store/receipts.ts'
import { type App, type Caller, mount } from './route.ts'
import {
  audienceNodes,
  DecisionShape,
  type DecisionShape as Shown,
  showDecision,
} from './shapes.ts'

const idParams = z.object({ id: z.string().meta({ example: 'd-4x7k2m9qz1hb0wfa' }) })
const Reason = z
  .string()
  .trim()
  .min(1)
  .max(500)
  .meta({ description: 'why; required and journalled', example: 'customer confirmed the scan' })
const Wait = z.coerce.number().min(0).max(10).default(0).meta({
  description: 'seconds to wait for the nodes to confirm before answering',
  example: 2,
})
const waitQuery = z.strictObject({ wait_s: Wait })
const Length = Duration.optional().meta({
  type: 'string',
  example: '4h',
  description: 'a length such as 90s, 15m, 4h, 7d',
})
const One = z.object({ success: z.literal(true), decision: DecisionShape })

export const decisionExample = {
  id: 'd-4x7k2m9qz1hb0wfa',
  state: 'applied',
  message: 'in the kernel of 3 of 3 nodes',
  outcome: 'block',
  target: '203.0.113.7',
  nodes: { of: 3, applied: 3, planned: 0, refused: 0, failed: 0, ended: 0 },
}
const oneExample = { success: true, decision: decisionExample }

export function mountDecisions(app: App, flow: Flow): void {
  const show = (decisions: readonly Decision[]) => showAll(flow, decisions)
  const settled = async (decision: Decision, waitSeconds: number) => {
    const nodes = audienceNodes(decision.audience, await listNodes(flow.store.read))
    const listening = nodes.filter(({ name }) => flow.hub.connected(name)).length
    await flow.confirmations.wait(decision.id, listening, waitSeconds * 1_000)
    const [shown] = await show([(await findDecision(flow.store.read, decision.id)) ?? decision])
    return { decision: shown }
  }

  mount(app, {
    method: 'get',
    path: '/v1/decisions',
    summary: 'List decisions',
    tag: 'decisions',
    access: 'read',
    query: z.strictObject({
      state: z.enum(decisionStates).optional().meta({ example: 'waiting' }),
      target: z
        .string()
        .optional()
        .meta({ description: 'exactly this host or network', example: '203.0.113.7' }),
      before: z.string().optional().meta({
        description: 'the id that the last page ended with',
        example: 'd-4x7k2m9qz1hb0wfa',
      }),
      limit: z.coerce.number().int().min(1).max(1_000).default(100).meta({ example: 100 }),
    }),
    answer: {
      status: 200,
      schema: z.object({ success: z.literal(true), decisions: z.array(DecisionShape) }),
      description: 'newest first',
      example: { success: true, decisions: [decisionExample] },
    },
    handle: async ({ query: { state, target, before, limit } }) => ({
      decisions: await show(
        await listDecisions(flow.store.read, {
          limit,
          ...(state !== undefined && { state }),
          ...(target !== undefined && { target: readAddress(target).text }),
          ...(before !== undefined && { before }),
        }),
      ),
    }),
  })

  mount(app, {
    method: 'get',
    path: '/v1/decisions/{id}',
    summary: 'Show a decision',
    description: 'With the alerts behind it, what each node said, and its lines in the journal.',
    tag: 'decisions',
    access: 'read',
    params: idParams,
    answer: {
      status: 200,
      schema: One.extend({
        evidence: z.array(Alert).meta({ description: 'the first 50 alerts' }),
        receipts: z.array(
          z.object({
            node: z.string(),
            status: z.string(),
            at: z.string(),
            code: z.string().nullable(),
            detail: z.string().nullable(),
          }),
        ),
        timeline: z.array(
          z.object({ at: z.string(), actor: z.string(), action: z.string(), after: z.unknown() }),
        ),
      }),
      description: 'the decision with its evidence',
      example: { ...oneExample, evidence: [], receipts: [], timeline: [] },
    },
    problems: ['not_found'],
    handle: async ({ params: { id } }) => {
      const decision = await findDecision(flow.store.read, id)
      if (!decision)
        throw new Problem('not_found', `there is no decision ${id}`, {
          remedy: 'see "cordon decision list"',
        })
      const [shown] = await show([decision])
      const receipts = await receiptsOf(flow.store.read, [id])
      const lines = await readJournal(flow.store.read, { after: 0, limit: 200, subject: id })
      return {
        decision: shown,
        evidence: await alertsOf(flow.store.read, id, 50),
        receipts: receipts.map(({ node, status, at, code, detail }) => ({
          node,
          status,
          at: printTime(at),
          code,
          detail,
        })),
        timeline: lines.map(({ at, actor, action, after }) => ({
          at: printTime(at),
          actor,
          action,
          after: after === null ? null : JSON.parse(after),
        })),
      }
    },
  })

  mount(app, {
    method: 'post',
    path: '/v1/decisions',
    summary: 'Block an address',
    description:
      'A block by hand of one host or network. It passes the protected networks like any other.',
    tag: 'decisions',
    access: 'review',
    query: waitQuery,
    body: z.strictObject({
      target: z.string().meta({ example: '203.0.113.7', description: 'host or network' }),
      for: Length,
      reason: Reason,
      audience: z.array(Audience).min(1).optional(),
      direction: Direction.optional(),
    }),
    bodyExample: { target: '203.0.113.7', for: '4h', reason: 'seen in three incidents' },
    answer: {
      status: 201,
      schema: One.extend({ notice: z.string().optional() }),
      description: 'signed and sent',
      example: oneExample,
    },
    problems: ['address_invalid', 'too_wide', 'protected_target'],
    handle: async ({ query, body, caller }) => {
      const { target, audience, direction } = body
      const { decision, cleared } = await flow.orders.block(
        { target, lengthMs: body.for, audience, direction },
        who(caller, body.reason),
      )
      const notice = cleared && {
        notice: `host bits were set; the network ${decision.target} is blocked`,
      }
      return { ...(await settled(decision, query.wait_s)), ...notice }
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
    }),
    bodyExample: { reason: 'known bad network' },
    answer: { status: 200, schema: One, description: 'issued', example: oneExample },
    problems: ['not_found', 'conflict', 'protected_target'],
    handle: async ({ params, query, body, caller }) => {
      const change = { lengthMs: body.for, audience: body.audience }
      return settled(
        await flow.orders.approve(params.id, change, who(caller, body.reason)),
        query.wait_s,
      )
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
    handle: async ({ params, body, caller }) =>
      settled(await flow.orders.decline(params.id, who(caller, body.reason)), 0),
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
      schema: One,
      description: 'issued again with the new end',
      example: oneExample,
    },
    problems: ['not_found', 'conflict'],
    handle: async ({ params, query, body, caller }) =>
      settled(
        await flow.orders.extend(params.id, body.for, who(caller, body.reason)),
        query.wait_s,
      ),
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
    handle: async ({ params, query, body, caller }) =>
      settled(await flow.orders.lift(params.id, who(caller, body.reason)), query.wait_s),
  })

  mount(app, {
    method: 'post',
    path: '/v1/addresses/lift',
    summary: 'Lift an address',
    description:
      'Lifts every block on this host or within this network, and says what wider block still covers it.',
    tag: 'addresses',
    access: 'review',
    body: z.strictObject({ target: z.string().meta({ example: '203.0.113.7' }), reason: Reason }),
    bodyExample: { target: '203.0.113.7', reason: 'false alarm' },
    answer: {
      status: 200,
      schema: z.object({
        success: z.literal(true),
        message: z.string(),
        lifted: z.array(DecisionShape),
        still_covered_by: z.array(DecisionShape),
      }),
      description: 'what was lifted and what still holds',
      example: {
        success: true,
        message: '1 lifted, nothing else covers it',
        lifted: [decisionExample],
        still_covered_by: [],
      },
    },
    problems: ['address_invalid'],
    handle: async ({ body, caller }) => {
      const { lifted, covering } = await flow.orders.liftAddress(
        body.target,
        who(caller, body.reason),
      )
      const rest =
        covering.length === 0 ? 'nothing else covers it' : `${covering.length} wider still cover it`
      return {
        message: `${lifted.length} lifted, ${rest}`,
        lifted: await show(lifted),
        still_covered_by: await show(covering),
      }
    },
  })

  mount(app, {
    method: 'get',
    path: '/v1/why',
    summary: 'Why is an address blocked',
    description: 'Whether it is blocked, by what, until when, and on which nodes.',
    tag: 'addresses',
    access: 'read',
    query: z.strictObject({ address: z.string().meta({ example: '203.0.113.7' }) }),
    answer: {
      status: 200,
      schema: z.object({
        success: z.literal(true),
        address: z.string(),
        blocked: z.boolean(),
        until: z.string().nullable(),
        decisions: z.array(DecisionShape),
        nodes: z.array(
          z.object({
            node: z.string(),
            decision: z.string(),
            status: z.string(),
            detail: z.string().nullable(),
          }),
        ),
        recent: z
          .array(DecisionShape)
          .meta({ description: 'what was decided before on exactly this address' }),
      }),
      description: 'the answer with its decisions',
      example: {
        success: true,
        address: '203.0.113.7',
        blocked: true,
        until: '2026-03-01T05:02:03.456Z',
        decisions: [decisionExample],
        nodes: [],
        recent: [],
      },
    },
    problems: ['address_invalid'],
    handle: async ({ query }) => why(flow, query.address, show),
  })
}

async function why(
  flow: Flow,
  text: string,
  show: (decisions: readonly Decision[]) => Promise<Shown[]>,
) {
  const address = readAddress(text)
  const { within, covering } = await decisionsOn(flow.store.read, address, flow.now())
  const holding = [...covering, ...within]
  const receipts = await receiptsOf(
    flow.store.read,
    holding.map(({ id }) => id),
  )
  const whole = holding.filter(
    ({ target }) => covering.some((wide) => wide.target === target) || target === address.text,
  )
  const ends = whole.map(({ notAfter }) => notAfter ?? 0)
  const recent = await listDecisions(flow.store.read, { target: address.text, limit: 10 })
  return {
    address: address.text,
    blocked: whole.length > 0,
    until: ends.length === 0 ? null : printTime(Math.max(...ends)),
    decisions: await show(holding),
    nodes: receipts.map(({ node, decision, status, detail }) => ({
      node,
      decision,
      status,
      detail,
    })),
    recent: await show(recent.filter(({ id }) => !holding.some((decision) => decision.id === id))),
  }
}

async function showAll(flow: Flow, decisions: readonly Decision[]): Promise<Shown[]> {
  const nodes = await listNodes(flow.store.read)
  const receipts = await receiptsOf(
    flow.store.read,
    decisions.map(({ id }) => id),
  )
  const byDecision = Map.groupBy(receipts, ({ decision }) => decision)
  return decisions.map((decision) =>
    showDecision(decision, byDecision.get(decision.id) ?? [], nodes),
  )
}

function who(caller: Caller, reason: string): Who {
  return { actor: caller.actor, reason }
}
