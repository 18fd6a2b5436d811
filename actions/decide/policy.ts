/** A policy that was read: everything checked, conditions compiled, ready to judge with. */
import { type Direction, peerInterfaceFits } from '#contract/action.ts'
import { readAddress } from '#contract/address.ts'
import { nearest } from '#contract/problem.ts'
import { type Condition, readCondition } from './condition.ts'
import { historyWindowMs } from './facts.ts'
import { type Measure, type Narrowing, unnarrowed } from './measure.ts'
import type { Protection } from './order.ts'
import { type FailMode, placeSources } from './outside.ts'
import type { PolicyFile, PolicyTest, RuleEntry } from './policy-file.ts'
import { type Renewal, readMeasure, readRenewal } from './policy-measure.ts'
import { checkSource, readSource, refusal, type Source } from './policy-source.ts'
import type { Outcome } from './verdict.ts'

export type Policy = {
  readonly mode: 'enforce' | 'observe'
  /** For blocks by hand; rules have taken theirs over already. */
  readonly defaults: {
    readonly audience: readonly string[]
    readonly direction: Direction
    readonly lengthMs: number | undefined
    /** The network that is blocked around an attacker, by family, where a rule says nothing else. */
    readonly prefix: { readonly 4: number; readonly 6: number }
  }
  readonly protect: readonly Protection[]
  readonly ceilings: PolicyFile['ceilings']
  readonly maxAlertAgeMs: number
  readonly maxClockAheadMs: number
  /** How far back from now the history must reach for every condition to count right; 0 when none counts. */
  readonly historyMs: number
  /** What is said of sources of facts; those that are not here fail open. */
  readonly sources: ReadonlyMap<string, { readonly fail: FailMode; readonly wait: number }>
  /** `source:rule` of alerts about whose attackers nobody is asked. */
  readonly certain: ReadonlySet<string>
  readonly review: {
    readonly timeoutMs: number
    readonly atTimeout: 'decline' | 'block'
    /** Blocks of networks shorter than this need two people. */
    readonly secondApprover: { readonly 4: number; readonly 6: number } | undefined
  }
  /** How wide what is blocked for an attacker can be: alone, as the policy says, and as any rule says; by family. */
  readonly prefixes: { readonly 4: readonly number[]; readonly 6: readonly number[] }
  /** Providers of intelligence that any rule names. */
  readonly providers: readonly string[]
  readonly lists: readonly string[]
  /** Blocks of networks shorter than this go to the canary first. */
  readonly rollout:
    | {
        readonly widerThan: { readonly 4: number; readonly 6: number }
        readonly canary: readonly string[]
        readonly waitMs: number
        readonly healthy: number
      }
    | undefined
  /** Whether any condition asks what nodes still stop. */
  readonly asksHits: boolean
  readonly rules: readonly Rule[]
  readonly tests: readonly PolicyTest[]
}

export type Rule = {
  readonly name: string
  readonly because: string
  readonly condition: Condition
  readonly verdict: Outcome
  readonly observe: boolean
  /** Of `block` and `review` rules, which end in a block. */
  readonly terms: Terms | undefined
}

export type Terms = {
  readonly lengthMs: number
  readonly audience: readonly string[]
  readonly direction: Direction
  readonly escalate: { readonly factor: number; readonly ceilingMs: number } | undefined
  /** The network that is blocked around an attacker, by family. */
  readonly prefix: { readonly 4: number; readonly 6: number }
  readonly provisional: Provisional | undefined
  readonly measure: Measure
  readonly scope: Narrowing
  /** Attackers of the other one never meet the peer of the scope. */
  readonly peerFamily: 4 | 6 | undefined
  readonly renew: Renewal | undefined
}

/** A block at once for a short time, which grows to its length if `confirm` holds once the attacker was asked about. */
export type Provisional = {
  readonly forMs: number
  readonly confirm: Condition
  readonly otherwise: 'lift' | 'review'
}

/** Throws `policy_invalid`, naming the place in the text, the rule, and what to write instead. */
export function readPolicy(text: string): Policy {
  const source = readSource(text)
  const file = checkSource(source)
  refuseRepeats(source, 'rules', file.rules)
  refuseRepeats(source, 'tests', file.tests)
  const rules = file.rules.map((entry, index) => readRule(source, file, entry, index))
  refuseUnknownRules(source, file)
  refuseClosedPlaces(source, file)
  return {
    mode: file.mode,
    defaults: {
      audience: file.defaults.audience,
      direction: file.defaults.direction,
      lengthMs: file.defaults.for,
      prefix: { 4: file.ipv4_prefix, 6: file.ipv6_prefix },
    },
    protect: file.protect.map(({ address, why }) => ({ address: readAddress(address), why })),
    ceilings: file.ceilings,
    maxAlertAgeMs: file.max_alert_age,
    maxClockAheadMs: file.max_clock_ahead,
    historyMs: historyMs(rules, file.max_alert_age),
    sources: new Map(Object.entries(file.sources)),
    certain: new Set(file.certain),
    review: {
      timeoutMs: file.review.timeout,
      atTimeout: file.review.at_timeout,
      secondApprover: file.review.second_approver && {
        4: file.review.second_approver.ipv4_prefix,
        6: file.review.second_approver.ipv6_prefix,
      },
    },
    prefixes: {
      4: prefixesOf(32, file.ipv4_prefix, rules),
      6: prefixesOf(128, file.ipv6_prefix, rules),
    },
    providers: mentioned(rules, 'providers'),
    lists: mentioned(rules, 'lists'),
    rollout: file.rollout && {
      widerThan: { 4: file.rollout.wider_than.ipv4, 6: file.rollout.wider_than.ipv6 },
      canary: file.rollout.canary,
      waitMs: file.rollout.wait,
      healthy: file.rollout.healthy,
    },
    asksHits: rules.some(
      ({ condition, terms }) => condition.asksHits || terms?.provisional?.confirm.asksHits,
    ),
    rules,
    tests: file.tests,
  }
}

function readRule(source: Source, file: PolicyFile, entry: RuleEntry, index: number): Rule {
  const condition = compile(source, ['rules', index, 'when'], entry.when)
  const { name, because } = entry
  // What is limited is what the policy acts on: to judge, a block.
  const verdict = entry.verdict === 'limit' ? 'block' : entry.verdict
  const observe = entry.observe
  return {
    name,
    because,
    condition,
    verdict,
    observe,
    terms: readTerms(source, file, entry, index),
  }
}

function compile(source: Source, path: (string | number)[], text: string): Condition {
  const condition = readCondition(text)
  if (!('at' in condition)) return condition
  const { at, remedy } = condition
  const message = `${condition.message}, at character ${at + 1}`
  throw refusal(source, path, { message, remedy, within: { text, at } })
}

function prefixesOf(host: 32 | 128, usual: number, rules: readonly Rule[]): number[] {
  const family = host === 32 ? 4 : 6
  const named = rules.flatMap(({ terms }) => (terms ? [terms.prefix[family]] : []))
  return [...new Set([host, usual, ...named])]
}

function mentioned(rules: readonly Rule[], what: 'providers' | 'lists'): string[] {
  const conditions = rules.flatMap(({ condition, terms }) =>
    terms?.provisional ? [condition, terms.provisional.confirm] : [condition],
  )
  return [...new Set(conditions.flatMap((condition) => condition[what]))]
}

/** A late alert counts back from when it was observed. */
function historyMs(rules: readonly Rule[], maxAlertAgeMs: number): number {
  const windows = rules.flatMap(({ condition, terms }) => [
    condition.windowMs,
    terms?.provisional?.confirm.windowMs ?? 0,
  ])
  const longest = Math.max(0, ...windows)
  return longest === 0 ? 0 : Math.min(historyWindowMs, longest + maxAlertAgeMs)
}

function readTerms(
  source: Source,
  file: PolicyFile,
  entry: RuleEntry,
  index: number,
): Terms | undefined {
  const refuse = (key: string, message: string, remedy: string) => {
    return refusal(source, ['rules', index, key], { message, remedy })
  }
  if (entry.verdict === 'watch' || entry.verdict === 'ignore') {
    const idle = termKeys.find((key) => entry[key] !== undefined)
    if (idle === undefined) return undefined
    const remedy = 'take it out, or make the verdict block or review'
    throw refuse(idle, `a rule that says ${entry.verdict} blocks nothing`, remedy)
  }
  const lengthMs = entry.for ?? file.defaults.for
  if (lengthMs === undefined)
    throw refuse('for', `${entry.verdict} without a length`, 'write for: 4h, or set defaults.for')
  if (entry.escalate && entry.escalate.ceiling < lengthMs)
    throw refuse('escalate', 'the ceiling is shorter than the block', 'raise ceiling or lower for')
  const prefix = {
    4: entry.ipv4_prefix ?? file.ipv4_prefix,
    6: entry.ipv6_prefix ?? file.ipv6_prefix,
  }
  for (const family of [4, 6] as const) {
    const ceiling = file.ceilings[`ipv${family}_prefix`]
    if (prefix[family] >= ceiling) continue
    const message = `/${prefix[family]} is wider than the ceiling of /${ceiling}`
    throw refuse(`ipv${family}_prefix`, message, `use /${ceiling} or longer, or move the ceiling`)
  }
  const direction = entry.direction ?? file.defaults.direction
  if (!peerInterfaceFits({ direction, ...entry.scope }))
    throw refuse(
      'scope',
      `only what is forwarded has a peer_interface, and this rule is of ${direction}`,
      'write direction: forward_from, forward_to or forward, or take peer_interface out',
    )
  return {
    lengthMs,
    audience: entry.audience ?? file.defaults.audience,
    direction,
    escalate: entry.escalate && {
      factor: entry.escalate.factor,
      ceilingMs: entry.escalate.ceiling,
    },
    prefix,
    provisional: readProvisional(source, entry, index, lengthMs),
    measure: readMeasure(entry, refuse),
    scope: entry.scope ?? unnarrowed,
    peerFamily: entry.scope?.peer === undefined ? undefined : readAddress(entry.scope.peer).family,
    renew: readRenewal(entry.renew ?? file.defaults.renew, entry, lengthMs, refuse),
  }
}

function readProvisional(
  source: Source,
  { provisional, verdict }: RuleEntry,
  index: number,
  lengthMs: number,
): Provisional | undefined {
  if (provisional === undefined) return undefined
  const refuse = (key: string, message: string, remedy: string) =>
    refusal(source, ['rules', index, 'provisional', key], { message, remedy })
  if (verdict !== 'block')
    throw refuse('for', `a rule that says ${verdict} blocks nothing at once`, 'use verdict: block')
  if (provisional.for >= lengthMs)
    throw refuse('for', 'the provisional block is as long as the whole', 'make it shorter')
  const path = ['rules', index, 'provisional', 'confirm']
  const confirm = compile(source, path, provisional.confirm)
  if (confirm.providers.length === 0)
    throw refuse(
      'confirm',
      'it asks nobody',
      'name a provider, such as intel("abuseipdb").score >= 50',
    )
  return { forMs: provisional.for, confirm, otherwise: provisional.otherwise }
}

/** No database can have said the worst of a country. */
function refuseClosedPlaces(source: Source, { sources }: PolicyFile): void {
  const place = placeSources.find((name) => sources[name]?.fail === 'closed')
  if (place === undefined) return
  throw refusal(source, ['sources', place, 'fail'], {
    message: `${place} cannot fail closed: there is no worst ${place}`,
    remedy: 'use review, or open',
  })
}

const termKeys = [
  'for',
  'audience',
  'direction',
  'escalate',
  'ipv4_prefix',
  'ipv6_prefix',
  'provisional',
  'scope',
  'response',
  'rate',
  'renew',
] as const satisfies (keyof RuleEntry)[]

function refuseRepeats(
  source: Source,
  key: 'rules' | 'tests',
  entries: readonly { name: string }[],
) {
  const names = entries.map((entry) => entry.name)
  const index = names.findIndex((name, at) => names.indexOf(name) < at)
  if (index < 0) return
  throw refusal(source, [key, index, 'name'], {
    message: 'this name is taken already',
    remedy: 'give each its own name: decisions and results are told apart by it',
  })
}

function refuseUnknownRules(source: Source, file: PolicyFile): void {
  const known = file.rules.map((rule) => rule.name)
  for (const [index, { expect }] of file.tests.entries()) {
    if (typeof expect.rule !== 'string' || known.includes(expect.rule)) continue
    const guess = nearest(expect.rule, known)
    throw refusal(source, ['tests', index, 'expect', 'rule'], {
      message: `there is no rule "${expect.rule}"`,
      remedy: guess ? `did you mean "${guess}"?` : `the rules are ${known.join(', ')}`,
    })
  }
}
