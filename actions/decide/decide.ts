/** The judgement: one alert, what is known of its attacker, the policy and the time give one verdict. */
import { type Address, addressScope, maybeAddress, widen } from '#contract/address.ts'
import { readTime } from '#contract/time.ts'
import { allowanceOf } from './allowance.ts'
import { type Case, openConsult } from './case.ts'
import { NotAsked } from './consult.ts'
import { type Evidence, makeEvidence } from './evidence.ts'
import type { Facts } from './facts.ts'
import { limitsOn, veto } from './limits.ts'
import { matches } from './match.ts'
import { isSameMeasure } from './measure.ts'
import { blockLength, protectionOf } from './order.ts'
import type { Policy, Rule, Terms } from './policy.ts'
import { provisionally } from './provisional.ts'
import type { Reason, Verdict } from './verdict.ts'

/** Pure: the service, the simulator and the policy's own tests call this same function. */
export function decide(matter: Case): Verdict {
  const { alert, facts, policy } = matter
  const reasons: Reason[] = alert.blocked ? [{ code: 'already_dropped_by_sensor' }] : []
  const attacker = alert.attacker === undefined ? undefined : maybeAddress(alert.attacker)
  if (attacker === undefined) return watch([...reasons, { code: 'no_attacker' }])
  // A time that is none reads as 1970, which is too old for any block.
  const observed = readTime(alert.observed) ?? 0
  const objection = objectTo(attacker, observed, matter)
  if (objection) return watch([...reasons, objection])
  if (facts.ignored) return ignore(facts.ignored, reasons)
  const consult = openConsult(matter)
  const evidence = makeEvidence(alert, attacker, observed, facts, consult)
  for (const rule of policy.rules) {
    if (!canMeetPeer(rule, attacker)) continue
    const found = match(rule, evidence)
    if (!found) continue
    if (found instanceof NotAsked) return ask(rule, matter, reasons)
    if (leavesOpen(found, rule)) {
      reasons.push(found)
      continue
    }
    const heard = [...reasons, found, ...consult.reasons()]
    return judge(rule, attacker, matter, heard, evidence)
  }
  return watch([...reasons, { code: 'no_rule_matched' }, ...consult.reasons()])
}

/** No packet is between an attacker of one family and a peer of the other: such a rule is not about him. */
export function canMeetPeer({ terms }: Rule, { family }: Address): boolean {
  return terms?.peerFamily === undefined || terms.peerFamily === family
}

/** What forbids a block before any rule is asked. */
function objectTo(attacker: Address, observed: number, matter: Case): Reason | undefined {
  const { policy, now } = matter
  const address = attacker.text
  const scope = addressScope(attacker)
  if (scope === 'special') return { code: 'not_blockable', address, scope }
  const protection = protectionOf(attacker, matter)
  if (protection)
    return { code: 'protected', address, by: protection.address.text, why: protection.why }
  const ends = endOf(matter.alert)
  if (ends !== undefined && ends <= now) return { code: 'over', endedMs: now - ends }
  const ageMs = now - observed
  if (ends === undefined && ageMs > policy.maxAlertAgeMs)
    return { code: 'too_old', ageMs, limitMs: policy.maxAlertAgeMs }
  if (-ageMs > policy.maxClockAheadMs)
    return { code: 'from_the_future', aheadMs: -ageMs, limitMs: policy.maxClockAheadMs }
  return undefined
}

/** Until when its source says so; the end of an alert is a time, as its schema says. */
function endOf({ ends }: Case['alert']): number | undefined {
  return ends === undefined ? undefined : readTime(ends)
}

/** A condition that fails decides too: going on could block what this rule was there to spare. */
function match(rule: Rule, evidence: Evidence): Reason | NotAsked | undefined {
  const found = matches(rule.condition, evidence, rule.name)
  if (found === true) return { code: 'rule_matched', rule: rule.name, because: rule.because }
  return found === false ? undefined : found
}

/** Whether this rule spares the attacker is for a person to say, but only where a later one would block. */
function leavesOpen(found: Reason, rule: Rule): boolean {
  return found.code === 'source_silent' && rule.terms === undefined
}

/** All whom the condition names are asked at once. */
function ask(rule: Rule, { facts }: Case, reasons: readonly Reason[]): Verdict {
  const { intelligence } = facts.outside
  const providers = rule.condition.providers.filter((name) => intelligence[name] === undefined)
  return {
    outcome: 'watch',
    rule: rule.name,
    ask: providers,
    reasons: [...reasons, { code: 'must_ask', rule: rule.name, providers }],
  }
}

function judge(
  rule: Rule,
  attacker: Address,
  matter: Case,
  found: Reason[],
  evidence: Evidence,
): Verdict {
  const failed = !found.some(({ code }) => code === 'rule_matched')
  const doubted = found.some(
    (reason) => reason.code === 'source_silent' && reason.fail === 'review',
  )
  if (rule.terms === undefined) {
    const outcome = failed ? 'watch' : rule.verdict
    return observe(rule, matter.policy, { outcome, rule: rule.name, reasons: found })
  }
  const { target, aim } = aimAt(attacker, rule.terms, matter)
  const allowance = allowanceOf(target, rule.terms, matter.facts)
  if (allowance) return { outcome: 'ignore', rule: null, reasons: [...found, allowance] }
  const { lengthMs, escalated } = lengthOf(rule.terms, matter)
  const limits = [...limitsOn(target, matter), ...veto(matter.facts)]
  const asked = failed || doubted
  const capped =
    !asked && rule.verdict === 'block' && limits.every(({ code }) => code === 'ceiling')
  const verdict: Verdict = {
    outcome: asked || limits.length > 0 ? 'review' : rule.verdict,
    rule: rule.name,
    order: {
      target: target.text,
      audience: [...rule.terms.audience],
      direction: rule.terms.direction,
      lengthMs,
      ...(isSameMeasure(rule.terms, {}) ? {} : pick(rule.terms)),
    },
    ...(capped && limits.length > 0 && { capped }),
    reasons: [...found, ...aim, ...escalated, ...limits],
  }
  return observe(rule, matter.policy, provisionally(verdict, rule, matter, evidence))
}

/** What a plain block has not. */
function pick({ measure, scope }: Terms): Pick<Terms, 'measure' | 'scope'> {
  return { measure, scope }
}

/** The attacker or the network around it, unless something protected lives in that network. */
function aimAt(attacker: Address, terms: Terms, matter: Case): { target: Address; aim: Reason[] } {
  const around = widen(attacker, terms.prefix[attacker.family])
  if (around === attacker) return { target: attacker, aim: [] }
  const [address, network] = [attacker.text, around.text]
  const protection = protectionOf(around, matter)
  const by = protection?.address.text ?? (isBlockable(around) ? undefined : 'a reserved range')
  if (by === undefined) return { target: around, aim: [{ code: 'widened', address, network }] }
  return { target: attacker, aim: [{ code: 'kept_narrow', address, network, by }] }
}

function isBlockable(address: Address): boolean {
  return addressScope(address) !== 'special'
}

function lengthOf(terms: Terms, matter: Case): { lengthMs: number; escalated: Reason[] } {
  const { lengthMs, escalated } = escalate(terms, matter.facts)
  const until = endOf(matter.alert)
  if (until === undefined || until - matter.now >= lengthMs) return { lengthMs, escalated }
  const left = until - matter.now
  return { lengthMs: left, escalated: [...escalated, { code: 'shortened', lengthMs: left, until }] }
}

function escalate(terms: Terms, { offences }: Facts): { lengthMs: number; escalated: Reason[] } {
  const lengthMs = blockLength(terms.lengthMs, terms.escalate, offences)
  if (terms.escalate === undefined || lengthMs === terms.lengthMs)
    return { lengthMs, escalated: [] }
  const { ceilingMs } = terms.escalate
  return { lengthMs, escalated: [{ code: 'escalated', offences, lengthMs, ceilingMs }] }
}

/** Observing keeps the whole verdict and does nothing: `would` and the order say what it had been. */
function observe(rule: Rule, policy: Policy, verdict: Verdict): Verdict {
  const scope = rule.observe ? 'rule' : policy.mode === 'observe' ? 'policy' : undefined
  if (scope === undefined || verdict.outcome === 'watch') return verdict
  const { provisional, capped, ...rest } = verdict
  const reasons: Reason[] = [...verdict.reasons, { code: 'observed', scope, rule: rule.name }]
  const order = verdict.order && {
    ...verdict.order,
    lengthMs: provisional?.lengthMs ?? verdict.order.lengthMs,
  }
  return { ...rest, ...(order && { order }), outcome: 'watch', would: verdict.outcome, reasons }
}

function ignore(
  { until, actor, reason }: NonNullable<Facts['ignored']>,
  reasons: readonly Reason[],
): Verdict {
  const said: Reason = { code: 'ignored', by: actor, why: reason, until }
  return { outcome: 'ignore', rule: null, reasons: [...reasons, said] }
}

function watch(reasons: Reason[]): Verdict {
  return { outcome: 'watch', rule: null, reasons }
}
