/** The review queue, and all that a person may say to a question besides yes and no. */
import { z } from '@hono/zod-openapi'
import { Duration } from '#contract/duration.ts'
import { Problem } from '#contract/problem.ts'
import type { Flow } from '../flow/flow.ts'
import { ignorable } from '../flow/review-ignore.ts'
import { findQuestions, readWaiting } from '../flow/review-queue.ts'
import { findDecision } from '../store/decisions.ts'
import { type App, mount } from './route.ts'
import { DecisionShape } from './shapes.ts'
import {
  decisionExample,
  idParams,
  One,
  oneExample,
  Reason,
  showDecisions,
  who,
} from './show-decisions.ts'
import {
  IgnoredShape,
  ignoredExample,
  ProposalShape,
  proposalExample,
  QuestionShape,
  questionExample,
  showIgnored,
  showProposal,
  showQuestions,
} from './show-review.ts'

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

  mount(app, {
    method: 'post',
    path: '/v1/review/{id}/ignore',
    summary: 'Ignore for a time',
    description:
      'Of alerts like this nothing is made until then. A question that waits is declined with it.',
    tag: 'review',
    access: 'review',
    params: idParams,
    body: z.strictObject({
      what: z.enum(ignorable).default('attacker').meta({
        description: 'the attacker, the signature (source and rule) from anybody, or both together',
      }),
      for: Duration.meta({ type: 'string', example: '7d' }),
      reason: Reason,
    }),
    bodyExample: { what: 'attacker', for: '7d', reason: 'a scan that was announced' },
    answer: {
      status: 200,
      schema: One.extend({ ignoring: IgnoredShape }),
      description: 'in force for every later judgement',
      example: { ...oneExample, ignoring: ignoredExample },
    },
    problems: ['not_found', 'conflict'],
    handle: async ({ params, body, caller }) => {
      const ignoring = { what: body.what, lengthMs: body.for }
      const done = await flow.review.ignore(params.id, ignoring, who(caller, body.reason))
      const [decision] = await showDecisions(flow, [done.decision])
      return { decision, ignoring: showIgnored(done.ignored) }
    },
  })

  mount(app, {
    method: 'post',
    path: '/v1/review/{id}/always',
    summary: 'Propose to always answer so',
    description:
      'Writes a proposed change of the policy as a diff. The policy file belongs to people: they apply it. The question still waits.',
    tag: 'review',
    access: 'review',
    params: idParams,
    body: z.strictObject({
      change: z.enum(['rule', 'signature']).default('rule').meta({
        description: 'the rule blocks without asking, or the signature gets a rule of its own',
      }),
      verdict: z.enum(['block', 'watch', 'ignore']).default('block').meta({
        description: 'of the new rule; a rule that asked can only become block',
      }),
      reason: Reason,
    }),
    bodyExample: { change: 'rule', verdict: 'block', reason: 'never was anything else' },
    answer: {
      status: 201,
      schema: One.extend({ proposal: ProposalShape }),
      description: 'proposed',
      example: { ...oneExample, proposal: proposalExample },
    },
    problems: ['not_found', 'conflict', 'policy_invalid'],
    handle: async ({ params, body: { change, verdict, reason }, caller }) => {
      if (change === 'rule' && verdict !== 'block') throw onlyBlock(verdict)
      const always = change === 'rule' ? { kind: change } : { kind: change, verdict }
      const done = await flow.review.always(params.id, always, who(caller, reason))
      const [decision] = await showDecisions(flow, [done.decision])
      return { decision, proposal: showProposal(flow, done.proposal) }
    },
  })

  mount(app, {
    method: 'post',
    path: '/v1/review/{id}/protect',
    summary: 'Protect the target',
    description:
      'Never block it again, from now on. Blocks on it are lifted, questions about it declined, and an entry for protect in the policy is proposed.',
    tag: 'review',
    access: 'review',
    params: idParams,
    body: z.strictObject({ reason: Reason }),
    bodyExample: { reason: 'the uplink of a customer' },
    answer: {
      status: 200,
      schema: One.extend({
        message: z.string(),
        protected: z.string(),
        lifted: z.array(DecisionShape),
        declined: z.array(DecisionShape),
        proposal: ProposalShape.nullable(),
      }),
      description: 'in force for every later judgement',
      example: {
        ...oneExample,
        message: '203.0.113.7 is protected; 1 block lifted, 0 questions declined',
        protected: '203.0.113.7',
        lifted: [decisionExample],
        declined: [],
        proposal: proposalExample,
      },
    },
    problems: ['not_found', 'conflict'],
    handle: async ({ params, body, caller }) => {
      const done = await flow.review.protect(params.id, who(caller, body.reason))
      const [decision] = await showDecisions(flow, [done.decision])
      const counts = `${count(done.lifted, 'block')} lifted, ${count(done.declined, 'question')} declined`
      const without = done.problem === undefined ? '' : `; no proposal: ${done.problem}`
      return {
        decision,
        message: `${done.address} is protected; ${counts}${without}`,
        protected: done.address,
        lifted: await showDecisions(flow, done.lifted),
        declined: await showDecisions(flow, done.declined),
        proposal: done.proposal ? showProposal(flow, done.proposal) : null,
      }
    },
  })

  mount(app, {
    method: 'post',
    path: '/v1/review/{id}/undo',
    summary: 'Undo the last answer',
    description:
      'Takes back the last thing that was done to a decision, when nothing else happened to it since.',
    tag: 'review',
    access: 'review',
    params: idParams,
    body: z.strictObject({ reason: Reason }),
    bodyExample: { reason: 'wrong line' },
    answer: {
      status: 200,
      schema: One.extend({ undone: z.string(), by: z.string() }),
      description: 'as it was before',
      example: { ...oneExample, undone: 'decision.approve', by: 'token/anna' },
    },
    problems: ['not_found', 'conflict', 'protected_target'],
    handle: async ({ params, body, caller }) => {
      const { decision, undone, by } = await flow.review.undo(params.id, who(caller, body.reason))
      const [shown] = await showDecisions(flow, [decision])
      return { decision: shown, undone, by }
    },
  })
}

function count(list: readonly unknown[], noun: string): string {
  return `${list.length} ${noun}${list.length === 1 ? '' : 's'}`
}

function onlyBlock(verdict: string): Problem {
  return new Problem('invalid_input', `a rule that asked cannot become ${verdict} by itself`, {
    remedy: 'use "change": "signature", or edit the rule in the policy',
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
