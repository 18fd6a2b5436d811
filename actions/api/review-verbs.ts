/** All that a person may say to a question besides yes and no: ignore, always, protect, undo. */
import { z } from '@hono/zod-openapi'
import { Duration } from '#contract/duration.ts'
import { Problem } from '#contract/problem.ts'
import type { Flow } from '../flow/flow.ts'
import { ignorable } from '../flow/review-ignore.ts'
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
  showIgnored,
  showProposal,
} from './show-review.ts'

export function mountReviewVerbs(app: App, flow: Flow): void {
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
