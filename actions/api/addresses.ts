/** Questions and orders about an address rather than one decision. */
import { z } from '@hono/zod-openapi'
import { isForwarding } from '#contract/action.ts'
import { readAddress } from '#contract/address.ts'
import { printTime } from '#contract/time.ts'
import { isNarrow } from '../decide/measure.ts'
import { printOnly } from '../decide/traffic.ts'
import { decisionsOn, decisionsTowards } from '../flow/decisions-on.ts'
import { exempts, isRefused } from '../flow/exempt.ts'
import type { Flow } from '../flow/flow.ts'
import { stops } from '../flow/order-line.ts'
import { unconfirmedOn } from '../flow/unconfirmed.ts'
import { type Decision, listDecisions } from '../store/decisions.ts'
import { receiptsOf } from '../store/receipts.ts'
import { awaitNodes } from './await-nodes.ts'
import { type App, mount } from './route.ts'
import { DecisionShape } from './shapes.ts'
import { decisionExample, Reason, showDecisions, waitQuery, who } from './show-decisions.ts'

export function mountAddresses(app: App, flow: Flow): void {
  mount(app, {
    method: 'post',
    path: '/v1/addresses/lift',
    summary: 'Lift an address',
    description:
      'Lifts every block on this host or within this network, and says what wider block still covers it.',
    tag: 'addresses',
    access: 'review',
    query: waitQuery,
    body: z.strictObject({ target: z.string().meta({ example: '203.0.113.7' }), reason: Reason }),
    bodyExample: { target: '203.0.113.7', reason: 'false alarm' },
    answer: {
      status: 200,
      schema: z.object({
        success: z.literal(true),
        message: z.string(),
        lifted: z.array(DecisionShape),
        still_covered_by: z.array(DecisionShape),
        still_allowed_by: z
          .array(DecisionShape)
          .meta({ description: 'what exempts it is not lifted with it' }),
      }),
      description: 'what was lifted and what still holds',
      example: {
        success: true,
        message: '1 lifted, nothing else covers it',
        lifted: [decisionExample],
        still_covered_by: [],
        still_allowed_by: [],
      },
    },
    problems: ['address_invalid'],
    handle: async ({ query, body, caller }) => {
      const lift = () => flow.orders.liftAddress(body.target, who(caller, body.reason))
      const done = await awaitNodes(flow, query.wait_s, lift, ({ lifted }) => lifted)
      const { lifted, covering, allowing } = done
      const rest =
        covering.length === 0
          ? 'nothing else covers it'
          : `${covering.length} wider still ${covering.length === 1 ? 'covers' : 'cover'} it`
      return {
        message: `${lifted.length} lifted, ${rest}`,
        lifted: await showDecisions(flow, lifted),
        still_covered_by: await showDecisions(flow, covering),
        still_allowed_by: await showDecisions(flow, allowing),
      }
    },
  })

  mount(app, {
    method: 'get',
    path: '/v1/why',
    summary: 'Why is an address blocked',
    description:
      'Whether it is ordered to be blocked and whether a kernel has confirmed it, by what, until when, and on which nodes; also what is ordered on others with this address at the other end.',
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
        until: z
          .string()
          .nullable()
          .meta({ description: 'end of what blocks it, or of what is ordered when nothing does' }),
        partly: z.boolean().meta({
          description: 'some of its traffic is stopped: a limit, or a block of a part of it',
        }),
        allowed: z
          .object({
            until: z.string(),
            decision: z.string(),
            by: z.string(),
            reason: z.string(),
            only: z.string().meta({ description: 'the part of its traffic; empty for all' }),
          })
          .nullable()
          .meta({ description: 'what exempts it, although other decisions or lists block it' }),
        decisions: z.array(DecisionShape),
        as_peer: z.array(DecisionShape).meta({
          description: 'in force on others, as far as this address is at the other end',
        }),
        nodes: z.array(
          z.object({
            node: z.string(),
            decision: z.string(),
            status: z.string(),
            detail: z.string().nullable(),
          }),
        ),
        unconfirmed: z
          .array(z.object({ node: z.string(), decision: z.string(), until: z.string() }))
          .meta({
            description:
              'nodes that had in their kernel what was lifted since, and have not said yet that they let go; at until they do by themselves',
          }),
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
        partly: false,
        allowed: null,
        decisions: [decisionExample],
        as_peer: [],
        nodes: [],
        unconfirmed: [],
        recent: [],
      },
    },
    problems: ['address_invalid'],
    handle: async ({ query }) => why(flow, query.address),
  })
}

/** Nothing of its own traffic with the nodes passes; what they forward, or one way alone, is told by the decision. */
function stopsAll(decision: Decision): boolean {
  const { measure, direction } = decision
  return measure.action === 'block' && !isForwarding(direction) && !isNarrow(decision)
}

/** What holds longest of what allows most. */
function allowedBy(allowing: readonly Decision[]) {
  const [first] = allowing.toSorted(
    (a, b) => Number(isNarrow(a)) - Number(isNarrow(b)) || (b.notAfter ?? 0) - (a.notAfter ?? 0),
  )
  if (!first) return null
  return {
    until: printTime(first.notAfter ?? 0),
    decision: first.id,
    by: first.actor ?? 'somebody',
    reason: first.note ?? '',
    only: printOnly('allow', { direction: first.direction, ...first.scope }),
  }
}

/** A network is blocked when it is blocked as a whole, not when something within it is; and only a kernel blocks. */
async function why(flow: Flow, text: string) {
  const address = readAddress(text)
  const { within, covering } = await decisionsOn(flow.store.read, address, flow.now())
  const holding = [...covering, ...within]
  const towards = await decisionsTowards(flow.store.read, address, flow.now())
  const onAll = ({ target }: Decision) =>
    target === address.text || covering.some((wide) => wide.target === target)
  const receipts = await receiptsOf(
    flow.store.read,
    holding.map(({ id }) => id),
  )
  const whole = holding.filter((decision) => onAll(decision) && stopsAll(decision))
  const partly = holding.some(
    (decision) => onAll(decision) && stops(decision) && !stopsAll(decision),
  )
  const allowing = holding.filter(
    (decision) => onAll(decision) && !stops(decision) && !isRefused(decision, receipts),
  )
  const recent = await listDecisions(flow.store.read, { target: address.text, limit: 10 })
  const shown = await showDecisions(flow, holding)
  const applied = new Set(shown.flatMap(({ id, nodes }) => (nodes.applied > 0 ? [id] : [])))
  const isApplied = ({ id }: Decision) => applied.has(id)
  const exempting = allowing.filter(isApplied)
  const blocking = whole.filter(
    (decision) => isApplied(decision) && !exempting.some((allow) => exempts(allow, decision)),
  )
  // What no kernel took tells nobody how long the address is blocked, while something else blocks it.
  const ends = (blocking.length > 0 ? blocking : whole).map(({ notAfter }) => notAfter ?? 0)
  return {
    address: address.text,
    ordered: whole.length > 0,
    blocked: blocking.length > 0,
    until: ends.length === 0 ? null : printTime(Math.max(...ends)),
    partly,
    allowed: allowedBy(allowing),
    decisions: shown,
    as_peer: await showDecisions(
      flow,
      towards.filter(({ id }) => !holding.some((decision) => decision.id === id)),
    ),
    nodes: receipts.map(({ node, decision, status, detail }) => ({
      node,
      decision,
      status,
      detail,
    })),
    unconfirmed: (await unconfirmedOn(flow.store.read, address, flow.now())).map((one) => ({
      ...one,
      until: printTime(one.until),
    })),
    recent: await showDecisions(
      flow,
      recent.filter(({ id }) => !holding.some((decision) => decision.id === id)),
    ),
  }
}
