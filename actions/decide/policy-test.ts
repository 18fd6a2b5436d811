/** Runs the tests that a policy carries, with the very judgement that the service uses. */

import { maybeAddress } from '#contract/address.ts'
import type { Alert } from '#contract/alert.ts'
import { printDuration } from '#contract/duration.ts'
import { printTime } from '#contract/time.ts'
import { decide } from './decide.ts'
import { type Facts, historyLimit, type PastAlert } from './facts.ts'
import { type IntelligenceFact, type Outside, placeSources } from './outside.ts'
import type { Policy } from './policy.ts'
import type { PolicyTest } from './policy-file.ts'
import { confirm } from './provisional.ts'
import type { Verdict } from './verdict.ts'

/** `wanted` and `got` say the same things in the same order, so that the difference meets the eye. */
export type PolicyTestResult = {
  name: string
  passed: boolean
  wanted: string
  got: string
  verdict: Verdict
}

/** Of tests that give no time: any will do, as long as it is always the same. */
const noon = Date.UTC(2026, 0, 1, 12)

export function runPolicyTests(policy: Policy): PolicyTestResult[] {
  return policy.tests.map((test) => runTest(policy, test))
}

/**
 * What is on trial passes its tests when they say what it does on trial, or what it would do: whoever puts a policy on
 * trial in a hurry must not have to rewrite its tests first.
 */
function runTest(policy: Policy, test: PolicyTest): PolicyTestResult {
  const result = runAs(policy, test)
  const onTrial = policy.mode === 'observe' || policy.rules.some(({ observe }) => observe)
  if (result.passed || !onTrial) return result
  const enforced = runAs(withoutTrial(policy), test)
  return enforced.passed ? enforced : result
}

function withoutTrial(policy: Policy): Policy {
  const rules = policy.rules.map((rule) => ({ ...rule, observe: false }))
  return { ...policy, mode: 'enforce', rules }
}

function runAs(policy: Policy, test: PolicyTest): PolicyTestResult {
  const now = test.now ?? noon
  const alert = makeAlert(test, now)
  const facts = makeFacts(test, policy, alert, { observed: test.alert.observed ?? now, now })
  const matter = { alert, facts, policy, now }
  const verdict = decide(matter)
  const { name, expect } = test
  const compared = comparisons(expect, verdict)
  if (expect.confirmed !== undefined) {
    const rule = typeof expect.rule === 'string' ? expect.rule : (verdict.rule ?? '')
    const { lengthMs = 0, target = '' } = verdict.order ?? {}
    const { outcome } = confirm(matter, { rule, target, lengthMs })
    compared.push([`confirmed: ${expect.confirmed}`, `confirmed: ${outcome}`])
  }
  const passed = compared.every(([wanted, got]) => wanted === got)
  const wanted = compared.map(([text]) => text).join(', ')
  return { name, passed, wanted, got: compared.map(([, text]) => text).join(', '), verdict }
}

/** Pairs of what the test says and what came out; only of what the test says anything about. */
function comparisons(expect: PolicyTest['expect'], verdict: Verdict): [string, string][] {
  const { rule, would, order, reasons } = verdict
  const pairs: [string, string][] = [[expect.verdict, verdictOf(verdict)]]
  if (expect.rule !== undefined) pairs.push([`rule ${expect.rule}`, `rule ${rule}`])
  if (expect.would !== undefined) pairs.push([`would ${expect.would}`, `would ${would ?? 'not'}`])
  if (expect.target !== undefined) {
    const target = maybeAddress(expect.target)?.text ?? expect.target
    pairs.push([`target ${target}`, `target ${order?.target ?? 'none'}`])
  }
  if (expect.for !== undefined)
    pairs.push([
      `for ${printDuration(expect.for)}`,
      order ? `for ${printDuration(order.lengthMs)}` : 'for no time',
    ])
  if (expect.reasons !== undefined) {
    const codes: string[] = reasons.map((reason) => reason.code)
    const missing = expect.reasons.some((code) => !codes.includes(code))
    const wanted = `reasons ${expect.reasons.join(' ')}`
    pairs.push([wanted, missing ? `reasons ${codes.join(' ')}` : wanted])
  }
  return pairs
}

/** As a policy calls it. */
function verdictOf({ outcome, order }: Verdict): PolicyTest['expect']['verdict'] {
  return outcome === 'block' && order?.measure?.action === 'limit' ? 'limit' : outcome
}

function makeAlert({ name, alert }: PolicyTest, now: number): Alert {
  const { rule, attacker, victim, user, blocked } = alert
  return {
    version: 1,
    id: `test-${name}`,
    source: alert.source ?? 'test',
    observed: printTime(alert.observed ?? now),
    received: printTime(now),
    rule: {
      id: rule.id ?? '1',
      name: rule.name ?? '',
      severity: rule.severity ?? 0,
      groups: rule.groups ?? [],
      mitre: rule.mitre ?? [],
    },
    ...(attacker === undefined ? {} : { attacker }),
    ...(victim === undefined ? {} : { victim: present(victim) }),
    ...(user === undefined ? {} : { user }),
    count: alert.count,
    ...(blocked === undefined ? {} : { blocked }),
    original: '',
    original_cut: false,
  }
}

type Victim = NonNullable<PolicyTest['alert']['victim']>

function present({ address, host, port, protocol }: Victim): NonNullable<Alert['victim']> {
  return {
    ...(address === undefined ? {} : { address }),
    ...(host === undefined ? {} : { host }),
    ...(port === undefined ? {} : { port }),
    ...(protocol === undefined ? {} : { protocol }),
  }
}

function makeFacts(
  { facts }: PolicyTest,
  policy: Policy,
  alert: Alert,
  { observed, now }: { observed: number; now: number },
): Facts {
  return {
    history: facts.history
      .flatMap((entry) => unfold(entry, alert, observed))
      .sort((a, b) => b.at - a.at)
      .slice(0, historyLimit),
    offences: facts.offences,
    own: facts.own,
    blocksInForce: facts.blocks_in_force,
    blocksLastMinute: facts.blocks_last_minute,
    outside: makeOutside(facts, policy),
    sheltered: [],
    ...(facts.last_hit !== undefined && { lastHit: now - facts.last_hit }),
  }
}

/** Every source that the test does not call silent is there; a provider of which it says nothing was not asked yet. */
function makeOutside(facts: PolicyTest['facts'], policy: Policy): Outside {
  const { country = '', city = '', asn = 0, as_owner = '', anonymous = [], lists, silent } = facts
  const answers = (name: string) => !silent.includes(name)
  const intelligence = Object.entries(facts.intel).map(
    ([name, answer]): [string, IntelligenceFact] => [
      name,
      { state: 'answered', ...answer, summary: 'as the test says', ageMs: 0 },
    ],
  )
  return {
    place: { country, city, asn, as_owner, anonymous },
    lists,
    ready: [...placeSources, ...policy.lists, ...lists].filter(answers),
    silent: Object.fromEntries(silent.map((name) => [name, 'the test says so'])),
    intelligence: Object.fromEntries(intelligence),
    askable: policy.providers.filter(answers),
  }
}

type HistoryEntry = PolicyTest['facts']['history'][number]

/** `{ ago: 2m, times: 3, every: 5s }` is 2m, 2m5s and 2m10s ago. */
function unfold(entry: HistoryEntry, alert: Alert, observed: number): PastAlert[] {
  const { ports, users, victims } = entry
  const times = entry.times ?? Math.max(1, ports.length, users.length, victims.length)
  return Array.from({ length: times }, (_, index) => {
    const port = ports[index % ports.length]
    const user = users[index % users.length]
    const victim = victims[index % victims.length]
    return {
      at: observed - entry.ago - index * entry.every,
      rule: entry.rule ?? alert.rule.id,
      count: entry.count,
      ...(port === undefined ? {} : { port }),
      ...(user === undefined ? {} : { user }),
      ...(victim === undefined ? {} : { victim }),
    }
  })
}
