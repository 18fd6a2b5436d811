/** Decisions as they were made: what was judged, why, and what became of it. */
import { z } from '@hono/zod-openapi'
import { readAddress } from '#contract/address.ts'
import { Alert } from '#contract/alert.ts'
import { Problem } from '#contract/problem.ts'
import { printTime } from '#contract/time.ts'
import type { Flow } from '../flow/flow.ts'
import { alertsOf } from '../store/alerts.ts'
import { decisionStates, findDecision, listDecisions } from '../store/decisions.ts'
import { readJournal } from '../store/journal.ts'
import { receiptsOf } from '../store/receipts.ts'
import { type App, mount } from './route.ts'
import { DecisionShape } from './shapes.ts'
import { decisionExample, idParams, One, oneExample, showDecisions } from './show-decisions.ts'

export function mountDecisions(app: App, flow: Flow): void {
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
      decisions: await showDecisions(
        flow,
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
      const [shown] = await showDecisions(flow, [decision])
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
}
