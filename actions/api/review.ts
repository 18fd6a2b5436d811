/** The review queue: what waits for a person, with what is needed to answer it. */
import { z } from '@hono/zod-openapi'
import { Duration } from '#contract/duration.ts'
import { Problem } from '#contract/problem.ts'
import type { Flow } from '../flow/flow.ts'
import { findQuestions, readWaiting } from '../flow/review-queue.ts'
import { findDecision } from '../store/decisions.ts'
import { type App, mount } from './route.ts'
import { idParams } from './show-decisions.ts'
import { QuestionShape, questionExample, showQuestions } from './show-review.ts'

export const filterShape = {
  rule: z.string().optional().meta({ description: 'asked by this rule', example: 'high alert' }),
  target: z
    .string()
    .optional()
    .meta({ description: 'about this network or within it', example: '203.0.113.0/24' }),
  older_than: Duration.optional().meta({
    type: 'string',
    description: 'waiting for longer than this',
    example: '1h',
  }),
}

/** Alerts that a list shows with each question, and that one question shows. */
const evidence = { list: 3, one: 50 }

export function mountReview(app: App, flow: Flow): void {
  mount(app, {
    method: 'get',
    path: '/v1/review',
    summary: 'List questions',
    description: 'What waits for a person, oldest first, each with what is needed to answer it.',
    tag: 'review',
    access: 'read',
    query: z.strictObject({
      ...filterShape,
      limit: z.coerce.number().int().min(1).max(200).default(50).meta({ example: 50 }),
    }),
    answer: {
      status: 200,
      schema: z.object({
        success: z.literal(true),
        waiting: z.int().meta({ description: 'how many there are of these, shown or not' }),
        questions: z.array(QuestionShape),
      }),
      description: 'oldest first',
      example: { success: true, waiting: 1, questions: [questionExample] },
    },
    problems: ['address_invalid'],
    handle: async ({ query }) => {
      const filter = { rule: query.rule, target: query.target, olderThanMs: query.older_than }
      const now = flow.now()
      const found = await findQuestions(flow.store.read, filter, now)
      const ids = found.slice(0, query.limit).map(({ id }) => id)
      const how = { now, evidence: evidence.list }
      const waiting = await readWaiting(flow.store.read, ids, flow.policy.current(), how)
      return { waiting: found.length, questions: await showQuestions(flow, waiting) }
    },
  })

  mount(app, {
    method: 'get',
    path: '/v1/review/{id}',
    summary: 'Show a question',
    tag: 'review',
    access: 'read',
    params: idParams,
    answer: {
      status: 200,
      schema: z.object({ success: z.literal(true), question: QuestionShape }),
      description: 'with up to 50 alerts',
      example: { success: true, question: questionExample },
    },
    problems: ['not_found', 'conflict'],
    handle: async ({ params: { id } }) => {
      const how = { now: flow.now(), evidence: evidence.one }
      const waiting = await readWaiting(flow.store.read, [id], flow.policy.current(), how)
      const [question] = await showQuestions(flow, waiting)
      if (question) return { question }
      throw await noQuestion(flow, id)
    },
  })
}

async function noQuestion(flow: Flow, id: string): Promise<Problem> {
  const decision = await findDecision(flow.store.read, id)
  if (!decision)
    return new Problem('not_found', `there is no decision ${id}`, {
      remedy: '"cordon review list" shows what waits',
    })
  const by = decision.actor === null ? '' : ` by ${decision.actor}`
  const state = `${decision.endReason ?? decision.state}${by}`
  return new Problem('conflict', `${id} waits for nobody: it is ${state}`, {
    remedy: `see "cordon decision show ${id}"`,
  })
}
