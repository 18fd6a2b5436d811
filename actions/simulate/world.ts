/** The world as it would be under one policy: what it decided stands, and is a fact for what comes after. */
import { type Address, readAddress, widen } from '#contract/address.ts'
import { decide } from '../decide/decide.ts'
import type { Facts } from '../decide/facts.ts'
import { limitsOn } from '../decide/limits.ts'
import { protectionOf } from '../decide/order.ts'
import { nothingOutside, type Outside } from '../decide/outside.ts'
import type { Policy } from '../decide/policy.ts'
import type { Outcome, Verdict } from '../decide/verdict.ts'
import { needsTwo } from '../flow/review-second.ts'
import { settle } from '../flow/settle.ts'
import type { Decision } from '../store/decisions.ts'
import { Ends } from './ends.ts'
import type { Past } from './past.ts'
import type { Replayed } from './replayed.ts'
import { Tally } from './tally.ts'

export type Judgement = {
  outcome: Outcome
  rule: string | null
  would?: Outcome
  target: string | null
  lengthMs: number
  /** A new block or a new question, not one more alert of one that stands. */
  made: boolean
  decision: string | null
  provisional: boolean
  /** The rule that would have blocked, were its attacker not protected. */
  spared: string | null
  /** Sources that it asked and of which nothing was kept then. */
  unknown: readonly string[]
}

/** What is so whatever the policy. */
export type Surroundings = Pick<Facts, 'own' | 'sheltered'>

export type Start = {
  /** Decisions that stood at the beginning. */
  standing: readonly Decision[]
  /** Times of the blocks of the minute before. */
  recent: readonly number[]
}

export class World {
  readonly policy: Policy
  readonly past: Past
  readonly #bare: Policy
  readonly #around: Surroundings
  readonly #standing = new Map<string, Decision[]>()
  readonly #ends = new Ends<Decision>()
  readonly #tally: Tally
  /** Blocks of each offender before the beginning, and since. */
  readonly #earlier = new Map<string, number>()
  readonly #offences = new Map<string, number>()
  #outside = { stored: nothingOutside, now: nothingOutside }

  constructor(policy: Policy, past: Past, around: Surroundings, start: Start) {
    this.policy = policy
    this.past = past
    this.#around = around
    this.#bare = { ...policy, protect: [] }
    this.#outside.now = { ...nothingOutside, askable: policy.providers }
    this.#tally = new Tally(start.recent)
    for (const decision of start.standing) this.#hold({ ...decision })
  }

  /** Offenders of whom it has to be told how often they were blocked before the beginning. */
  isNew(offender: string): boolean {
    return !this.#earlier.has(offender)
  }

  know(offender: string, offences: number): void {
    this.#earlier.set(offender, offences)
  }

  judge(replayed: Replayed): Judgement {
    const { alert, received: now, attacker } = replayed
    this.#endBy(now)
    this.#tally.refresh(now)
    const offender = attacker ? this.past.keyOf(attacker) : null
    const facts = this.#factsOf(replayed, offender)
    const matter = { alert, facts, policy: this.policy, now }
    const first = decide(matter)
    const verdict = first.ask ? decide({ ...matter, facts: unasked(facts) }) : first
    const spared = verdict.reasons.some(({ code }) => code === 'protected')
      ? this.#sparedBy(replayed, facts)
      : null
    const unknown = unknownIn(first, verdict, replayed)
    return { ...this.#settle(replayed, verdict, offender), spared, unknown }
  }

  /** Whether a block in force holds this address, or a network around it. */
  covers(address: Address): boolean {
    return this.policy.prefixes[address.family].some((prefix) =>
      this.#standing.get(widen(address, prefix).text)?.some(isBlock),
    )
  }

  blocksInForce(): number {
    return this.#tally.inForce
  }

  #factsOf({ received, outside, row }: Replayed, offender: string | null): Facts {
    const { shownInForce, shownRecent } = this.#tally
    return {
      history:
        offender === null ? [] : this.past.of(offender, received, this.policy.maxClockAheadMs),
      offences: offender === null ? 0 : this.#offencesOf(offender),
      own: this.#around.own,
      sheltered: this.#around.sheltered,
      blocksInForce: shownInForce,
      blocksLastMinute: shownRecent,
      outside: this.#asNow(outside),
      // Only people make this of an alert without a rule.
      ...(row.outcome === 'ignore' &&
        row.rule === null && {
          ignored: { until: received, actor: 'somebody', reason: 'as it was said then' },
        }),
    }
  }

  /** Many alerts in a row were judged with the same facts. */
  #asNow(outside: Outside): Outside {
    if (this.#outside.stored !== outside)
      this.#outside = { stored: outside, now: { ...outside, askable: this.policy.providers } }
    return this.#outside.now
  }

  /** The block that is in force is not an earlier offence. */
  #offencesOf(offender: string): number {
    const held = this.#standing.get(offender)?.some(isBlock) ?? false
    const since = this.#offences.get(offender) ?? 0
    return (this.#earlier.get(offender) ?? 0) + since - (held ? 1 : 0)
  }

  #sparedBy({ alert, received }: Replayed, facts: Facts): string | null {
    const open = { ...facts, own: noOwn, sheltered: noSheltered }
    const { outcome, rule } = decide({ alert, facts: open, policy: this.#bare, now: received })
    return outcome === 'block' ? rule : null
  }

  #settle({ alert, received: now }: Replayed, verdict: Verdict, offender: string | null) {
    const { outcome, rule, would, order, provisional } = verdict
    const said = {
      outcome,
      rule,
      ...(would !== undefined && { would }),
      target: order?.target ?? alert.attacker ?? null,
      lengthMs: order?.lengthMs ?? 0,
      provisional: false,
    }
    if (!order || (outcome !== 'block' && outcome !== 'review'))
      return { ...said, made: false, decision: null }
    const standing = this.#standing.get(order.target) ?? []
    const settlement = settle(alert, verdict, offender, standing, now)
    const { decision } = settlement
    if (settlement.kind === 'evidence') {
      decision.alerts++
      if (settlement.notAfter !== undefined) decision.notAfter = settlement.notAfter
      // At a ceiling the verdict was a question, and is none where the block stands already.
      const answer = isBlock(decision) ? 'block' : outcome
      return { ...said, outcome: answer, made: false, decision: decision.id }
    }
    this.#hold(decision)
    if (outcome === 'block') {
      this.#tally.made(now)
      this.#offend(offender)
    }
    return { ...said, made: true, decision: decision.id, provisional: provisional !== undefined }
  }

  #offend(offender: string | null): void {
    if (offender !== null) this.#offences.set(offender, (this.#offences.get(offender) ?? 0) + 1)
  }

  #hold(decision: Decision): void {
    const target = decision.target ?? ''
    const there = this.#standing.get(target)
    if (there) there.push(decision)
    else this.#standing.set(target, [decision])
    if (isBlock(decision)) this.#tally.inForce++
    this.#ends.add(this.#endOf(decision), decision)
  }

  #endOf(decision: Decision): number {
    return isBlock(decision)
      ? (decision.notAfter ?? 0)
      : decision.created + this.policy.review.timeoutMs
  }

  #endBy(now: number): void {
    for (let due = this.#ends.take(now); due; due = this.#ends.take(now)) {
      const end = this.#endOf(due)
      if (end > now) {
        this.#ends.add(end, due)
        continue
      }
      const block = isBlock(due)
      if (block) this.#tally.inForce--
      this.#drop(due)
      if (!block && this.#mayBlock(due, end)) this.#blockAtTimeout(due, end)
    }
  }

  #drop(decision: Decision): void {
    const target = decision.target ?? ''
    const rest = this.#standing.get(target)?.filter((other) => other !== decision) ?? []
    if (rest.length > 0) this.#standing.set(target, rest)
    else this.#standing.delete(target)
  }

  /** What nobody answered becomes a block where the policy says so and nothing speaks against it. */
  #mayBlock({ target, origin, reasons }: Decision, now: number): boolean {
    const { policy } = this
    if (policy.review.atTimeout !== 'block' || policy.mode === 'observe') return false
    if (target === null || origin === 'manual' || needsTwo(target, policy)) return false
    if (reasons.some(({ code }) => code === 'vetoed')) return false
    const address = readAddress(target)
    this.#tally.refresh(now)
    const facts = {
      ...unlimited,
      ...this.#around,
      blocksInForce: this.#tally.shownInForce,
    }
    return (
      !protectionOf(address, { policy, facts }) && limitsOn(address, { policy, facts }).length === 0
    )
  }

  #blockAtTimeout(decision: Decision, at: number): void {
    const notAfter = at + (decision.lengthMs ?? 0)
    this.#hold({ ...decision, state: 'issued', issued: at, notAfter })
    this.#offend(decision.offender)
  }
}

const noOwn: Facts['own'] = []
const noSheltered: Facts['sheltered'] = []

const unlimited = {
  history: [],
  offences: 0,
  blocksLastMinute: 0,
  outside: nothingOutside,
}

function isBlock({ state }: Decision): boolean {
  return state === 'issued' || state === 'applied'
}

/** The past cannot be asked: who was not asked then counts as silent, and it is said that it was so. */
function unasked(facts: Facts): Facts {
  return { ...facts, outside: { ...facts.outside, askable: [] } }
}

/** Sources whose silence had a say, but for those that were asked then and did not answer. */
function unknownIn(first: Verdict, { reasons }: Verdict, { outside }: Replayed): readonly string[] {
  if (first.ask === undefined && !reasons.some(({ code }) => code === 'source_silent')) return none
  const silent = reasons.flatMap((reason) =>
    reason.code === 'source_silent' && outside.intelligence[reason.source] === undefined
      ? [reason.source]
      : [],
  )
  return [...new Set([...(first.ask ?? []), ...silent])]
}

const none: readonly string[] = []
