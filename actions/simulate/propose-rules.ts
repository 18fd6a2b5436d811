/** Rules that should leave their trial or go on one, answers that are always the same, counts that come too late. */
import { printDuration, readDuration } from '#contract/duration.ts'
import type { Policy, Rule } from '../decide/policy.ts'
import { type WrittenRule, withRuleBefore, writtenMeasure } from '../decide/propose.ts'
import { thresholdsOf, withObserve, withRuleLast, withThreshold } from '../decide/suggest.ts'
import type { Answered } from '../store/replay.ts'
import { mostAttackers, type Observed, type SeenSignature } from './observed.ts'
import { edited, type Proposal, sparesProtected } from './proposal.ts'

/** Fewest alerts of a trial, blocks of a rule, answers to one signature, alerts of one that led to nothing. */
const enough = { trial: 5, blocks: 4, answers: 4, noise: 50 }
/** Share of a rule's blocks that people lifted. */
const oftenLifted = 0.25

export function proposeRules(text: string, policy: Policy, observed: Observed): Proposal[] {
  return [
    ...policy.rules.flatMap((rule) => leaveTrial(text, policy, rule, observed) ?? []),
    ...policy.rules.flatMap((rule) => goOnTrial(text, rule, observed) ?? []),
    ...sameAnswers(text, policy, observed),
    ...policy.rules.flatMap((rule) => catchEarlier(text, rule)),
    ...ignoreNoise(text, policy, observed),
  ]
}

function leaveTrial(
  text: string,
  policy: Policy,
  rule: Rule,
  observed: Observed,
): Proposal | undefined {
  const trial = observed.trials.get(rule.name)
  if (!rule.observe || policy.mode === 'observe' || !trial || trial.alerts < enough.trial)
    return undefined
  const spared = observed.answered.filter(isLetGo).map(({ target }) => target)
  if (spared.some((target) => trial.attackers.has(target))) return undefined
  const next = withObserve(text, rule.name, false)
  return next === undefined
    ? undefined
    : {
        kind: 'enforce',
        subject: rule.name,
        says: `the rule "${rule.name}" leaves its trial`,
        evidence: [
          `On trial it would have blocked ${trial.attackers.size} addresses, by ${trial.alerts} alerts.`,
          'People lifted or declined none of them.',
        ],
        text: next,
        weight: trial.alerts,
        holds: sparesProtected,
      }
}

function goOnTrial(text: string, rule: Rule, { answered, blocks }: Observed): Proposal | undefined {
  const made = blocks.get(rule.name) ?? 0
  const lifted = answered.filter(
    (one) => one.rule === rule.name && one.end_reason === 'lifted',
  ).length
  if (rule.observe || made < enough.blocks || lifted < 2 || lifted < made * oftenLifted)
    return undefined
  const next = withObserve(text, rule.name, true)
  return next === undefined
    ? undefined
    : {
        kind: 'observe',
        subject: rule.name,
        says: `the rule "${rule.name}" goes on trial`,
        evidence: [`People lifted ${lifted} of its ${made} blocks.`],
        text: next,
        weight: lifted,
        holds: () => true,
      }
}

/** One signature that one rule asks about, always answered alike. */
function sameAnswers(text: string, policy: Policy, { answered }: Observed): Proposal[] {
  const questions = answered.filter(({ outcome, rule }) => outcome === 'review' && rule !== null)
  const alike = Map.groupBy(questions, ({ source, signature, rule }) =>
    JSON.stringify([source, signature, rule]),
  )
  return [...alike.values()].flatMap((answers) => answerRule(text, policy, answers) ?? [])
}

function answerRule(
  text: string,
  policy: Policy,
  answers: readonly Answered[],
): Proposal | undefined {
  const [first] = answers
  const asking = policy.rules.find(({ name }) => name === first?.rule)
  if (!first || !asking || answers.length < enough.answers) return undefined
  const approved = answers.filter((answer) => answer.issued !== null && !isLetGo(answer)).length
  const declined = answers.filter(({ state }) => state === 'declined').length
  if (approved !== answers.length && declined !== answers.length) return undefined
  const verdict = approved > 0 ? 'block' : 'watch'
  const signature = `${first.source}:${first.signature}`
  const name = `always ${verdict} ${signature}`.slice(0, 100)
  if (policy.rules.some((rule) => rule.name === name)) return undefined
  const what = approved > 0 ? 'approved' : 'declined'
  const because = `people ${what} all ${answers.length} questions about it`
  const short = { name, because, when: whenOf(first.source, first.signature), verdict }
  const written = approved > 0 ? withTerms(short, policy, asking) : short
  const next = edited(() => withRuleBefore(text, asking.name, written))
  if (next === undefined) return undefined
  return {
    kind: 'rule',
    subject: signature,
    says: `${signature} is ${approved > 0 ? 'blocked' : 'watched'} without asking`,
    evidence: [`"${asking.name}" asked ${answers.length} times about it, and people ${what} each.`],
    text: next,
    weight: answers.length,
    holds: sparesProtected,
  }
}

function withTerms(written: WrittenRule, policy: Policy, { terms }: Rule): WrittenRule {
  if (!terms) return written
  const { prefix } = policy.defaults
  return {
    ...written,
    for: exactly(terms.lengthMs),
    audience: terms.audience,
    direction: terms.direction,
    ...writtenMeasure(terms, 'block'),
    ...(terms.prefix[4] !== prefix[4] && { ipv4_prefix: terms.prefix[4] }),
    ...(terms.prefix[6] !== prefix[6] && { ipv6_prefix: terms.prefix[6] }),
  }
}

/** Half the count: only the effect can speak for it. */
function catchEarlier(text: string, rule: Rule): Proposal[] {
  if (rule.observe || rule.verdict !== 'block') return []
  return thresholdsOf(text, rule.name).flatMap((threshold) => {
    const least = Math.ceil(threshold.least / 2)
    const next = threshold.least > 2 ? withThreshold(text, threshold, least) : undefined
    if (next === undefined) return []
    const call = threshold.call.replace(/\s*>=.*$/s, '')
    return {
      kind: 'threshold',
      subject: rule.name,
      says: `the rule "${rule.name}" waits for ${call} >= ${least} instead of ${threshold.least}`,
      evidence: ['Whom it blocks is blocked in the end anyway, but later.'],
      text: next,
      weight: 0,
      holds: (effect) =>
        effect.blocked_sooner > 0 &&
        effect.newly_blocked.addresses === 0 &&
        sparesProtected(effect),
    }
  })
}

/** What no rule had a word about, whose attackers did nothing else that one had. */
function ignoreNoise(text: string, policy: Policy, { signatures, wanted }: Observed): Proposal[] {
  const idle = ({ alerts, ruled, severity, attackers }: SeenSignature) =>
    alerts >= enough.noise &&
    ruled === 0 &&
    severity < 40 &&
    attackers.size < mostAttackers &&
    ![...attackers].some((attacker) => wanted.has(attacker))
  return [...signatures.values()].filter(idle).flatMap((seen): Proposal[] => {
    const name = `ignore ${seen.signature}`.slice(0, 100)
    if (policy.rules.some((rule) => rule.name === name)) return []
    const next = withRuleLast(text, {
      name,
      because: 'it never led to anything',
      when: whenOf(seen.source, seen.rule),
      verdict: 'ignore',
    })
    if (next === undefined) return []
    return [
      {
        kind: 'ignore',
        subject: seen.signature,
        says: `${seen.signature} is ignored`,
        evidence: [
          `${seen.alerts} alerts of ${seen.attackers.size} attackers, none above severity ${seen.severity}, and no rule had a word about any.`,
          'None of these attackers did anything else that a rule had a word about.',
        ],
        text: next,
        weight: seen.alerts,
        holds: ({ newly_blocked, no_longer_blocked }) =>
          newly_blocked.addresses === 0 && no_longer_blocked.addresses === 0,
      },
    ]
  })
}

function whenOf(source: string, rule: string): string {
  return `alert.source == ${JSON.stringify(source)} && alert.rule.id == ${JSON.stringify(rule)}`
}

/** What is said in two units, unless that leaves something out. */
function exactly(ms: number): string {
  const short = printDuration(ms).replaceAll(' ', '')
  return readDuration(short) === ms ? short : `${ms}ms`
}

function isLetGo({ state, end_reason }: Answered): boolean {
  return state === 'declined' || end_reason === 'lifted'
}
