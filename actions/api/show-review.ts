/** How questions, and what people said to them, are shown. */
import { z } from '@hono/zod-openapi'
import { Alert } from '#contract/alert.ts'
import { printTime } from '#contract/time.ts'
import type { Flow } from '../flow/flow.ts'
import { standingOf } from '../flow/propose.ts'
import type { Waiting } from '../flow/review-queue.ts'
import type { Proposal } from '../store/proposals.ts'
import type { Ignored, Sheltered } from '../store/said.ts'
import { DecisionShape } from './shapes.ts'
import { decisionExample, showDecisions } from './show-decisions.ts'

export const QuestionShape = z
  .object({
    decision: DecisionShape,
    question: z.string().meta({ description: 'what would be done, in a sentence' }),
    until: z.string().meta({ description: 'how long it waits' }),
    left_s: z.number(),
    at_timeout: z.enum(['decline', 'block']),
    otherwise: z.string().meta({ description: 'what happens when nobody answers' }),
    needs_two: z.boolean(),
    first: z
      .object({
        actor: z.string(),
        reason: z.string(),
        at: z.string(),
        length_s: z.number(),
        audience: z.array(z.string()),
      })
      .nullable()
      .meta({ description: 'what the first of two people has said' }),
    evidence: z.array(Alert).meta({ description: 'its first alerts, without the own records' }),
    known: z.array(z.string()).meta({
      description: 'what sources outside said when it was judged, as sentences',
    }),
    facts: z.unknown().meta({ description: 'the same as data; null when there was no source' }),
    standing: z.array(DecisionShape).meta({ description: 'what is ordered of the target already' }),
  })
  .meta({ id: 'Question' })

export const questionExample = {
  decision: { ...decisionExample, state: 'waiting' },
  question: 'Block 203.0.113.7 for 4h, coming in, on all.',
  until: '2026-03-02T01:02:03.456Z',
  left_s: 86_000,
  at_timeout: 'decline',
  otherwise: 'If nobody answers within 23h 53m, it is declined.',
  needs_two: false,
  first: null,
  evidence: [],
  known: ['The attacker is in NL, network AS64500 (Example Transit).'],
  facts: null,
  standing: [],
}

export async function showQuestions(flow: Flow, waiting: readonly Waiting[]) {
  const decisions = await showDecisions(
    flow,
    waiting.flatMap(({ decision, standing }) => [decision, ...standing]),
  )
  const shown = new Map(decisions.map((decision) => [decision.id, decision]))
  return waiting.map(({ decision, first, until, standing, ...rest }) => ({
    decision: shown.get(decision.id),
    question: rest.question,
    until: printTime(until),
    left_s: Math.max(0, until - flow.now()) / 1_000,
    at_timeout: rest.atTimeout,
    otherwise: rest.otherwise,
    needs_two: rest.needsTwo,
    first: first
      ? {
          actor: first.actor,
          reason: first.reason,
          at: printTime(first.created),
          length_s: first.lengthMs / 1_000,
          audience: first.audience,
        }
      : null,
    evidence: rest.evidence,
    known: rest.known,
    facts: rest.facts,
    standing: standing.map(({ id }) => shown.get(id)),
  }))
}

export const IgnoredShape = z
  .object({
    id: z.string(),
    target: z.string().nullable(),
    signature: z.string().nullable().meta({ description: 'source:rule' }),
    until: z.string(),
    actor: z.string(),
    reason: z.string(),
    created: z.string(),
  })
  .meta({ id: 'Ignored' })

export const ignoredExample = {
  id: 'i-4x7k2m9qz1hb0wfa',
  target: '203.0.113.7',
  signature: null,
  until: '2026-03-08T01:02:03.456Z',
  actor: 'token/anna',
  reason: 'our own scanner',
  created: '2026-03-01T01:02:03.456Z',
}

export function showIgnored({ until, created, ...rest }: Ignored) {
  return { ...rest, until: printTime(until), created: printTime(created) }
}

export const ShelteredShape = z
  .object({ address: z.string(), why: z.string(), actor: z.string(), created: z.string() })
  .meta({ id: 'Sheltered' })

export function showSheltered({ created, ...rest }: Sheltered) {
  return { ...rest, created: printTime(created) }
}

export const ProposalShape = z
  .object({
    id: z.string(),
    decision: z.string().nullable(),
    kind: z.enum(['rule', 'signature', 'protect']),
    summary: z.string(),
    state: z.enum(['open', 'applied', 'stale']).meta({
      description: 'applied: the policy says so; stale: it fits the policy in force no more',
    }),
    failing: z.array(z.string()).meta({
      description: "the policy's own tests that fail with it: change them too",
    }),
    problem: z.string().optional(),
    diff: z.string().meta({ description: 'for git apply or patch' }),
    actor: z.string(),
    reason: z.string(),
    created: z.string(),
  })
  .meta({ id: 'Proposal' })

export const proposalExample = {
  id: 'p-4x7k2m9qz1hb0wfa',
  decision: 'd-4x7k2m9qz1hb0wfa',
  kind: 'rule',
  summary: 'the rule "high alert" blocks without asking',
  state: 'open',
  failing: [],
  diff: '--- a/policy.yaml\n+++ b/policy.yaml\n',
  actor: 'token/anna',
  reason: 'never was anything else',
  created: '2026-03-01T01:02:03.456Z',
}

export function showProposal(flow: Flow, proposal: Proposal) {
  const { created, ...rest } = proposal
  return { ...rest, ...standingOf(proposal, flow.policy.text()), created: printTime(created) }
}
