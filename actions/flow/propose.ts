/** Proposed changes of the policy: kept as diffs, since the file belongs to people and is changed by them. */
import { applyPatch, createTwoFilesPatch, FILE_HEADERS_ONLY, parsePatch, reversePatch } from 'diff'
import type { Alert } from '#contract/alert.ts'
import { printable } from '#contract/printable.ts'
import { Problem, toProblem } from '#contract/problem.ts'
import { signatureOf } from '../decide/case.ts'
import { type Policy, type Rule, readPolicy } from '../decide/policy.ts'
import { runPolicyTests } from '../decide/policy-test.ts'
import {
  type WrittenRule,
  withProtected,
  withRuleBefore,
  withVerdict,
  writtenMeasure,
} from '../decide/propose.ts'
import type { Outcome } from '../decide/verdict.ts'
import type { Decision } from '../store/decisions.ts'
import type { JournalEntry } from '../store/journal.ts'
import { dropProposal, findProposal, type Proposal, putProposal } from '../store/proposals.ts'
import type { Writer } from '../store/store.ts'
import type { Who } from './order-line.ts'

export type Wanted =
  /** The rule that asked blocks from now on. */
  | { kind: 'rule' }
  /** Alerts of this signature get a rule of their own, before the one that asked. */
  | { kind: 'signature'; alert: Alert; verdict: Outcome }
  | { kind: 'protect'; address: string }

export type PolicyInForce = { current(): Policy; text(): string }

/** Stored in the caller's transaction. Throws `conflict` for what the policy says already or cannot say. */
export async function propose(
  tx: Writer,
  policy: PolicyInForce,
  decision: Decision,
  wanted: Wanted,
  who: Who,
  { id, now }: { id: string; now: number },
): Promise<{ proposal: Proposal; entry: JournalEntry }> {
  const { text, summary } = edit(policy, decision, wanted, who)
  const diff = diffOf(policy.text(), text)
  const { actor, reason } = who
  const { kind } = wanted
  const proposal = { id, decision: decision.id, kind, summary, diff, actor, reason, created: now }
  await putProposal(tx, proposal)
  const after = { decision: decision.id, kind, summary, diff, reason }
  return { proposal, entry: { at: now, actor, action: 'policy.propose', subject: id, after } }
}

/** Throws `not_found`. */
export async function withdraw(
  tx: Writer,
  id: string,
  { actor, reason }: Who,
  now: number,
): Promise<{ proposal: Proposal; entry: JournalEntry }> {
  const proposal = await findProposal(tx, id)
  if (!proposal) throw noProposal(id)
  await dropProposal(tx, id)
  const { decision, summary } = proposal
  const after = { decision, summary, reason }
  return { proposal, entry: { at: now, actor, action: 'policy.withdraw', subject: id, after } }
}

export type Standing = {
  /** `open` can be applied; `applied` is in the policy; `stale` fits the policy in force no more. */
  state: 'open' | 'applied' | 'stale'
  /** Tests of the policy that fail with it: they have to be changed too, or the service refuses the file. */
  failing: string[]
  problem?: string
}

/** How a proposal stands to the policy in force. */
export function standingOf({ diff }: Proposal, text: string): Standing {
  if (applyPatch(text, reversePatch(parsePatch(diff))[0] ?? diff) !== false)
    return { state: 'applied', failing: [] }
  const next = applyPatch(text, diff)
  if (next === false) return { state: 'stale', failing: [] }
  try {
    const failing = runPolicyTests(readPolicy(next)).filter(({ passed }) => !passed)
    return { state: 'open', failing: failing.map(({ name }) => name) }
  } catch (error) {
    return { state: 'stale', failing: [], problem: toProblem(error).message }
  }
}

export function noProposal(id: string): Problem {
  return new Problem('not_found', `there is no proposal ${id}`, {
    remedy: 'see "cordon policy proposals"',
  })
}

function edit(policy: PolicyInForce, decision: Decision, wanted: Wanted, who: Who) {
  const text = policy.text()
  if (wanted.kind === 'protect') {
    const { address } = wanted
    const why = sentence(who.reason)
    return { text: withProtected(text, address, why), summary: `never block ${address}` }
  }
  const rule = ruleOf(policy.current(), decision)
  if (wanted.kind === 'rule') {
    if (rule.verdict !== 'review') throw saysAlready(rule)
    return {
      text: withVerdict(text, rule.name, rule.terms?.measure.action ?? 'block'),
      summary: `the rule "${rule.name}" blocks without asking`,
    }
  }
  const written = ruleFor(policy.current(), rule, wanted, who)
  return {
    text: withRuleBefore(text, rule.name, written),
    summary: `${signatureOf(wanted.alert)} is always ${done[wanted.verdict]}`,
  }
}

const done = { block: 'blocked', review: 'asked about', watch: 'watched', ignore: 'ignored' }

function ruleOf(policy: Policy, { id, rule: name }: Decision): Rule {
  const rule = policy.rules.find((one) => one.name === name)
  if (rule) return rule
  const message =
    name === null ? `no rule asked for ${id}` : `the policy has no rule "${name}" any more`
  throw new Problem('conflict', message, {
    remedy: '"cordon policy show" shows the rules in force',
  })
}

function saysAlready({ name, verdict }: Rule): Problem {
  return new Problem('conflict', `the rule "${name}" says ${verdict} already`, {
    remedy:
      '"cordon decision show" says why this was asked all the same: a ceiling, a silent source or a known service',
  })
}

function ruleFor(
  policy: Policy,
  { terms }: Rule,
  { alert, verdict }: Extract<Wanted, { kind: 'signature' }>,
  { reason }: Who,
): WrittenRule {
  const name = printable(`always ${verdict} ${signatureOf(alert)}`, 100)
  if (policy.rules.some((one) => one.name === name))
    throw new Problem('conflict', `the policy has the rule "${name}" already`, {
      remedy: 'change that one',
    })
  const { source, rule } = alert
  const when = `alert.source == ${celText(source)} && alert.rule.id == ${celText(rule.id)}`
  const written = { name, because: sentence(reason), when, verdict }
  if (!terms || (verdict !== 'block' && verdict !== 'review')) return written
  const { prefix } = policy.defaults
  return {
    ...written,
    for: exactDuration(terms.lengthMs),
    audience: terms.audience,
    direction: terms.direction,
    ...writtenMeasure(terms, verdict),
    ...(terms.prefix[4] !== prefix[4] && { ipv4_prefix: terms.prefix[4] }),
    ...(terms.prefix[6] !== prefix[6] && { ipv6_prefix: terms.prefix[6] }),
  }
}

/** A string of CEL. What is hidden is written as an escape: a diff is shown on a screen. */
function celText(text: string): string {
  return JSON.stringify(text).replace(/[\u007f-\u{10ffff}]/gu, (letter) => {
    const code = (letter.codePointAt(0) ?? 0).toString(16)
    return code.length > 4 ? `\\U${code.padStart(8, '0')}` : `\\u${code.padStart(4, '0')}`
  })
}

/** As long as the policy takes it. */
function sentence(reason: string): string {
  return printable(reason, 300)
}

/** In the largest unit that says it whole. */
function exactDuration(ms: number): string {
  const units = [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1_000],
  ] as const
  const [unit, size] = units.find(([, each]) => ms % each === 0) ?? (['ms', 1] as const)
  return `${ms / size}${unit}`
}

/** As `git apply` and `patch` take it. */
function diffOf(before: string, after: string): string {
  const options = { context: 3, headerOptions: FILE_HEADERS_ONLY }
  return createTwoFilesPatch(
    'a/policy.yaml',
    'b/policy.yaml',
    before,
    after,
    undefined,
    undefined,
    options,
  )
}
