/** One answer to many questions, named one by one or by what they have in common. */
import { z } from '@hono/zod-openapi'
import { Audience } from '#contract/audience.ts'
import { Duration } from '#contract/duration.ts'
import { Problem } from '#contract/problem.ts'
import type { Flow } from '../flow/flow.ts'
import type { Who } from '../flow/order-line.ts'
import { answerMany } from '../flow/review-bulk.ts'
import { ignorable } from '../flow/review-ignore.ts'
import { findQuestions } from '../flow/review-queue.ts'
import type { Ordered } from '../flow/revise.ts'
import { decisionsById } from '../store/decisions.ts'
import { filterShape } from './review.ts'
import { type App, mount, ProblemSchema } from './route.ts'
import { DecisionShape } from './shapes.ts'
import { decisionExample, Reason, showDecisions, who } from './show-decisions.ts'

/** Questions that one request answers. */
const most = 500

const Item = z
  .object({
    index: z.int(),
    id: z.string(),
    status: z.enum(['would', 'done', 'pending', 'refused']).meta({
      description: 'would: of a preview; pending: a second person has to say the same',
    }),
    decision: DecisionShape.optional(),
    problem: ProblemSchema.optional(),
  })
  .meta({ id: 'BulkItem' })

const Body = z.strictObject({
  do: z.enum(['approve', 'decline', 'ignore']),
  ids: z.array(z.string().max(100)).min(1).max(most).optional(),
  filter: z
    .strictObject({ ...filterShape, all: z.literal(true).optional() })
    .optional()
    .meta({ description: 'instead of ids; all of its parts must be so' }),
  preview: z.boolean().default(false).meta({ description: 'only say what would be answered' }),
  reason: Reason,
  for: Duration.optional().meta({ type: 'string', example: '4h' }),
  audience: z.array(Audience).min(1).optional(),
  what: z.enum(ignorable).optional(),
})
type Body = z.output<typeof Body>

export function mountReviewBulk(app: App, flow: Flow): void {
  mount(app, {
    method: 'post',
    path: '/v1/review/bulk',
    summary: 'Answer many questions',
    description: `Each is answered by itself, at most ${most} at once, oldest first: a broken one spoils nothing.`,
    tag: 'review',
    access: 'review',
    body: Body,
    bodyExample: {
      do: 'decline',
      filter: { rule: 'high alert', older_than: '1h' },
      preview: true,
      reason: 'a test of ours',
    },
    answer: {
      status: 200,
      schema: z.object({
        success: z.literal(true),
        message: z.string(),
        more: z.int().meta({ description: 'questions that the filter finds beyond these' }),
        items: z.array(Item),
      }),
      description: 'one item a question',
      example: {
        success: true,
        message: '1 would be answered',
        more: 0,
        items: [{ index: 0, id: decisionExample.id, status: 'would', decision: decisionExample }],
      },
    },
    problems: ['address_invalid'],
    handle: async ({ body, caller }) => {
      checkTerms(body)
      const found = await wantedIds(flow, body)
      const ids = found.slice(0, most)
      const items = body.preview
        ? await preview(flow, ids)
        : await answerAll(flow, ids, body, who(caller, body.reason))
      return { message: summary(items), more: found.length - ids.length, items }
    },
  })
}

/** Throws `invalid_input` for neither or both ways to choose, and for terms that the answer does not take. */
function checkTerms({ do: verb, ids, filter, what, audience, ...body }: Body): void {
  const given = filter && Object.values(filter).filter((part) => part !== undefined)
  const parts = { rule: filter?.rule, target: filter?.target, older_than: filter?.older_than }
  const narrowed = Object.values(parts).some((part) => part !== undefined)
  if ((ids === undefined) === (filter === undefined))
    throw wrong('name ids or a filter, one of them', 'such as "filter": {"rule": "high alert"}')
  if (given?.length === 0)
    throw wrong('the filter is empty', 'say "all": true to mean every question')
  if (filter?.all && narrowed)
    throw wrong('all and a filter contradict each other', 'take one of them out')
  if (verb === 'ignore' && body.for === undefined)
    throw wrong('to ignore needs a length', 'such as "for": "7d"')
  if (verb !== 'ignore' && what !== undefined)
    throw wrong(`what is for ignore, not for ${verb}`, 'take it out')
  if (verb !== 'approve' && audience !== undefined)
    throw wrong(`audience is for approve, not for ${verb}`, 'take it out')
  if (verb === 'decline' && body.for !== undefined)
    throw wrong('to decline has no length', 'take "for" out, or use ignore')
}

async function wantedIds(flow: Flow, { ids, filter }: Body): Promise<string[]> {
  if (ids) return [...new Set(ids)]
  const { rule, target, older_than: olderThanMs } = filter ?? {}
  const found = await findQuestions(flow.store.read, { rule, target, olderThanMs }, flow.now())
  return found.map(({ id }) => id)
}

async function preview(flow: Flow, ids: readonly string[]) {
  const decisions = await decisionsById(flow.store.read, ids)
  const shown = await showDecisions(flow, [...decisions.values()])
  const byId = new Map(shown.map((decision) => [decision.id, decision]))
  return ids.map((id, index) => {
    const decision = byId.get(id)
    if (decision?.state === 'waiting') return { index, id, status: 'would', decision }
    const problem = decision
      ? new Problem('conflict', `${id} is ${decision.state}`, { remedy: 'leave it out' })
      : new Problem('not_found', `there is no decision ${id}`, { remedy: 'leave it out' })
    return { index, id, status: 'refused', problem: problem.toJSON() }
  })
}

async function answerAll(flow: Flow, ids: readonly string[], body: Body, by: Who) {
  const answered = await answerMany(ids, (id) => answerTo(flow, id, body, by))
  const decisions = answered.flatMap((item) => (item.status === 'refused' ? [] : [item.decision]))
  const shown = new Map((await showDecisions(flow, decisions)).map((one) => [one.id, one]))
  return answered.map((item, index) => {
    const { id, status } = item
    return status === 'refused'
      ? { index, id, status, problem: item.problem.toJSON() }
      : { index, id, status, decision: shown.get(id) }
  })
}

async function answerTo(flow: Flow, id: string, body: Body, by: Who): Promise<Ordered> {
  const { orders, review } = flow
  if (body.do === 'approve')
    return orders.approve(id, { lengthMs: body.for, audience: body.audience }, by)
  if (body.do === 'decline') return orders.decline(id, by)
  const ignoring = { what: body.what ?? 'attacker', lengthMs: body.for ?? 0 }
  return (await review.ignore(id, ignoring, by)).decision
}

function summary(items: readonly { status: string }[]): string {
  if (items.length === 0) return 'there is no such question'
  const counts = Map.groupBy(items, ({ status }) => status)
  const say = { would: 'would be answered', done: 'answered', pending: 'wait for a second person' }
  const told = Object.entries({ ...say, refused: 'refused' }).flatMap(([status, words]) => {
    const n = counts.get(status)?.length ?? 0
    return n === 0 ? [] : [`${n} ${words}`]
  })
  return told.join(', ')
}

function wrong(message: string, remedy: string): Problem {
  return new Problem('invalid_input', message, { remedy })
}
