/** Questions and orders about an address rather than one decision. */
import { z } from '@hono/zod-openapi'
import { readAddress } from '#contract/address.ts'
import { printTime } from '#contract/time.ts'
import { decisionsOn } from '../flow/decisions-on.ts'
import type { Flow } from '../flow/flow.ts'
import { listDecisions } from '../store/decisions.ts'
import { receiptsOf } from '../store/receipts.ts'
import { type App, mount } from './route.ts'
import { DecisionShape } from './shapes.ts'
import { decisionExample, Reason, showDecisions, who } from './show-decisions.ts'

export function mountAddresses(app: App, flow: Flow): void {
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
        lifted: await showDecisions(flow, lifted),
        still_covered_by: await showDecisions(flow, covering),
      }
    },
  })

  mount(app, {
    method: 'get',
    path: '/v1/why',
    summary: 'Why is an address blocked',
    description:
      'Whether it is ordered to be blocked and whether a kernel has confirmed it, by what, until when, and on which nodes.',
    tag: 'addresses',
    access: 'read',
    query: z.strictObject({ address: z.string().meta({ example: '203.0.113.7' }) }),
    answer: {
      status: 200,
      schema: z.object({
        success: z.literal(true),
        address: z.string(),
        ordered: z.boolean().meta({ description: 'a decision in force covers it as a whole' }),
        blocked: z.boolean().meta({
          description:
            'the kernel of at least one node confirmed such a decision; a dry run is none',
        }),
        until: z.string().nullable().meta({ description: 'end of what is ordered' }),
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
        ordered: true,
        blocked: true,
        until: '2026-03-01T05:02:03.456Z',
        decisions: [decisionExample],
        nodes: [],
        recent: [],
      },
    },
    problems: ['address_invalid'],
    handle: async ({ query }) => why(flow, query.address),
  })
}

/** A network is blocked when it is blocked as a whole, not when something within it is; and only a kernel blocks. */
async function why(flow: Flow, text: string) {
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
  const shown = await showDecisions(flow, holding)
  return {
    address: address.text,
    ordered: whole.length > 0,
    blocked: shown.some(
      (decision) => decision.nodes.applied > 0 && whole.some(({ id }) => id === decision.id),
    ),
    until: ends.length === 0 ? null : printTime(Math.max(...ends)),
    decisions: shown,
    nodes: receipts.map(({ node, decision, status, detail }) => ({
      node,
      decision,
      status,
      detail,
    })),
    recent: await showDecisions(
      flow,
      recent.filter(({ id }) => !holding.some((decision) => decision.id === id)),
    ),
  }
}
