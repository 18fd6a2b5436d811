/** Proposals from what was observed, each with the effect that it would have had. Nothing is changed. */
import { createTwoFilesPatch, FILE_HEADERS_ONLY } from 'diff'
import { readPolicy } from '../decide/policy.ts'
import { runPolicyTests } from '../decide/policy-test.ts'
import type { Reader } from '../store/store.ts'
import { observe } from './observed.ts'
import type { Proposal, ProposalKind } from './proposal.ts'
import { proposeProtect } from './propose-protect.ts'
import { proposeRules } from './propose-rules.ts'
import { type Hear, type Replay, replay } from './replay.ts'
import type { Report } from './report.ts'
import type { Written } from './share.ts'
import type { Suggestion } from './suggestion.ts'

/** Each is replayed over all alerts, in the same pass. */
const mostTried = 10

/** What does harm first, what only makes noise last. */
const order: readonly ProposalKind[] = [
  'protect',
  'observe',
  'enforce',
  'rule',
  'threshold',
  'ignore',
]

export type Wish = Omit<Replay, 'drafts' | 'rule'> & {
  read(text: string): Written
}

/** The same for the same store and policy. */
export async function suggest(db: Reader, wish: Wish, hear: Hear): Promise<Suggestion[]> {
  const { inForce, around, read } = wish
  const { text, policy } = inForce
  const observed = await observe(db, wish, hear)
  const proposals = [
    ...proposeProtect(text, policy, around, observed),
    ...proposeRules(text, policy, observed),
  ]
  const tried = proposals.sort(byRank).slice(0, mostTried)
  if (tried.length === 0) return []
  const drafts = tried.map((proposal) => read(proposal.text))
  const reports = await replay(db, { ...wish, drafts, rule: undefined }, ({ done, total }) =>
    hear({ done: total + done, total: 2 * total }),
  )
  return tried.flatMap((proposal, at) => {
    const effect = reports[at]
    return effect && proposal.holds(effect) ? [toSuggestion(text, proposal, effect)] : []
  })
}

function byRank(a: Proposal, b: Proposal): number {
  const kind = order.indexOf(a.kind) - order.indexOf(b.kind)
  return kind || b.weight - a.weight || (a.subject < b.subject ? -1 : 1)
}

function toSuggestion(before: string, proposal: Proposal, effect: Report): Suggestion {
  const { kind, subject, says, evidence, text } = proposal
  const failing = runPolicyTests(readPolicy(text)).filter(({ passed }) => !passed)
  return {
    kind,
    subject,
    says,
    evidence,
    diff: diffOf(before, text),
    failing: failing.map(({ name }) => name),
    effect,
  }
}

/** As `git apply` and `patch` take it. */
function diffOf(before: string, after: string): string {
  return createTwoFilesPatch(
    'a/policy.yaml',
    'b/policy.yaml',
    before,
    after,
    undefined,
    undefined,
    {
      context: 3,
      headerOptions: FILE_HEADERS_ONLY,
    },
  )
}
