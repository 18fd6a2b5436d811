/** What a simulation finds, alert after alert: two judgements of each, and how they differ. */
import { readAddress } from '#contract/address.ts'
import { protectionOf } from '../decide/order.ts'
import type { Policy } from '../decide/policy.ts'
import { Changed, exampleOf, shownExamples } from './change.ts'
import type { Replayed } from './replayed.ts'
import type { Example, Report } from './report.ts'
import type { Judgement, Surroundings } from './world.ts'

const shownRules = 15
const shownLongest = 5

type Outcomes = Report['outcomes']['before']
type RuleCount = Report['rules'][number]
type Pair = { before: number; after: number }
/** Whether a block that was in force holds the attacker, also where this alert made none. */
export type Held = { before: boolean; after: boolean }

export type Compared = {
  /** Only what this rule decides, before or after. */
  rule: string | undefined
  /** Of the policy that protects, where another one judges. */
  guard: { policy: Policy; facts: Surroundings } | undefined
}

export class Comparison {
  readonly #compared: Compared
  readonly #outcomes = { before: noOutcomes(), after: noOutcomes() }
  readonly #blocked = { before: new Map<string, number>(), after: new Map<string, number>() }
  readonly #gained = new Changed()
  readonly #lost = new Changed()
  readonly #asked = new Changed()
  readonly #unasked = new Changed()
  readonly #hits = new Changed()
  readonly #newHits = new Changed()
  readonly #unprotected = new Changed()
  readonly #questions = pair()
  readonly #made = pair()
  readonly #provisional = pair()
  readonly #most = pair()
  readonly #targets = new Set<string>()
  readonly #rules = new Map<string, RuleCount>()
  readonly #sources = new Map<string, number>()
  readonly #doubtful: Example[] = []
  #doubts = 0
  #alerts = 0
  #longest: Report['blocks']['longest'] = []

  constructor(compared: Compared) {
    this.#compared = compared
  }

  add(replayed: Replayed, before: Judgement, after: Judgement, held: Held): void {
    this.#alerts++
    const { rule } = this.#compared
    if (rule !== undefined && before.rule !== rule && after.rule !== rule) return
    if (this.#doubt(replayed, before, after)) return
    this.#outcomes.before[before.outcome]++
    this.#outcomes.after[after.outcome]++
    this.#countRule(before, after)
    this.#countBlocks(replayed, before, after)
    this.#compareBlocks(replayed, before, after, held)
    if (after.outcome === 'review' && before.outcome !== 'review')
      this.#asked.add(replayed, before, after)
    if (before.outcome === 'review' && after.outcome !== 'review')
      this.#unasked.add(replayed, before, after)
    if (after.spared !== null) this.#hits.add(replayed, before, after)
    if (after.spared !== null && before.spared === null) this.#newHits.add(replayed, before, after)
  }

  inForce(before: number, after: number): void {
    this.#most.before = Math.max(this.#most.before, before)
    this.#most.after = Math.max(this.#most.after, after)
  }

  report(): Omit<Report, 'since' | 'until' | 'compared_with' | 'differs_from_recorded'> {
    const { before, after } = this.#blocked
    const both = [...after].flatMap(([address, at]) => {
      const other = before.get(address)
      return other === undefined ? [] : [at - other]
    })
    return {
      alerts: this.#alerts,
      outcomes: this.#outcomes,
      newly_blocked: this.#gained.report((address) => before.has(address)),
      no_longer_blocked: this.#lost.report((address) => after.has(address)),
      blocked_sooner: both.filter((gap) => gap < 0).length,
      blocked_later: both.filter((gap) => gap > 0).length,
      reviews: {
        questions: this.#questions,
        gained: this.#asked.report(),
        lost: this.#unasked.report(),
      },
      protected_hits: { ...this.#hits.report(), new: this.#newHits.report().alerts },
      protection_lost: this.#unprotected.report(),
      blocks: {
        made: this.#made,
        provisional: this.#provisional,
        targets: this.#targets.size,
        most_in_force: this.#most,
        longest: this.#longest,
      },
      rules: this.#busiest(),
      unknown: {
        alerts: this.#doubts,
        sources: [...this.#sources].map(([source, alerts]) => ({ source, alerts })),
        examples: this.#doubtful,
      },
    }
  }

  /** A judgement that rests on a source of which nothing is known then is none, unless both rest on it. */
  #doubt(replayed: Replayed, before: Judgement, after: Judgement): boolean {
    const unknown = after.unknown.filter((source) => !before.unknown.includes(source))
    if (unknown.length === 0) return false
    this.#doubts++
    for (const source of unknown) this.#sources.set(source, (this.#sources.get(source) ?? 0) + 1)
    if (this.#doubtful.length < shownExamples)
      this.#doubtful.push(exampleOf(replayed, before, after))
    return true
  }

  #countRule(before: Judgement, after: Judgement): void {
    if (before.rule !== null) this.#ruleOf(before.rule).before++
    if (after.rule === null) return
    const count = this.#ruleOf(after.rule)
    count.after++
    if (after.made) count[after.outcome === 'block' ? 'blocks' : 'reviews']++
  }

  #ruleOf(rule: string): RuleCount {
    const count = this.#rules.get(rule) ?? { rule, before: 0, after: 0, blocks: 0, reviews: 0 }
    this.#rules.set(rule, count)
    return count
  }

  #busiest(): RuleCount[] {
    const busy = ({ before, after }: RuleCount) => Math.max(before, after)
    return [...this.#rules.values()]
      .sort((a, b) => busy(b) - busy(a) || (a.rule < b.rule ? -1 : 1))
      .slice(0, shownRules)
  }

  #countBlocks(replayed: Replayed, before: Judgement, after: Judgement): void {
    for (const [when, { made, outcome, provisional }] of [
      ['before', before],
      ['after', after],
    ] as const) {
      if (!made) continue
      if (outcome === 'review') this.#questions[when]++
      else this.#made[when]++
      if (provisional) this.#provisional[when]++
    }
    if (!after.made || after.outcome !== 'block' || after.target === null) return
    this.#targets.add(after.target)
    this.#keepLongest(replayed, after, after.target)
    const { guard } = this.#compared
    if (guard && protectionOf(readAddress(after.target), guard))
      this.#unprotected.add(replayed, before, after)
  }

  #keepLongest({ alert }: Replayed, { lengthMs, rule }: Judgement, target: string): void {
    const least = this.#longest.at(-1)?.length_ms ?? 0
    if (this.#longest.length >= shownLongest && lengthMs <= least) return
    const other = this.#longest.filter((known) => known.target !== target)
    this.#longest = [...other, { target, length_ms: lengthMs, rule, alert: alert.id }]
      .sort((a, b) => b.length_ms - a.length_ms)
      .slice(0, shownLongest)
  }

  #compareBlocks(replayed: Replayed, before: Judgement, after: Judgement, held: Held): void {
    const address = replayed.alert.attacker
    if (address === undefined) return
    const was = before.outcome === 'block' || held.before
    const is = after.outcome === 'block' || held.after
    if (was && !this.#blocked.before.has(address))
      this.#blocked.before.set(address, replayed.received)
    if (is && !this.#blocked.after.has(address)) this.#blocked.after.set(address, replayed.received)
    if (is && !was) this.#gained.add(replayed, before, after)
    if (was && !is) this.#lost.add(replayed, before, after)
  }
}

function noOutcomes(): Outcomes {
  return { block: 0, review: 0, watch: 0, ignore: 0 }
}

function pair(): Pair {
  return { before: 0, after: 0 }
}
