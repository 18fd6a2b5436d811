/** What the policy says of one alert and its facts. */
import type { Direction } from '#contract/action.ts'
import type { Measure, Narrowing } from './measure.ts'
import type { FailMode } from './outside.ts'

export type Outcome = 'block' | 'review' | 'watch' | 'ignore'

export type Verdict = {
  outcome: Outcome
  /** The rule that decided; null when none matched or something came before the rules. */
  rule: string | null
  /** Set when a rule in observe mode (or the whole policy) would have done this instead of watching. */
  would?: Outcome
  /** What would be blocked; for `block` and `review`, and for what was observed. */
  order?: Order
  /**
   * Set when the order is only for the time until its attacker has been asked about: what the block grows to when
   * the rule's `confirm` holds then.
   */
  provisional?: { lengthMs: number }
  /** Set on a question that would be a block but for how many blocks there are: where one stands, nothing is to be asked. */
  capped?: true
  /** Providers that have to be asked before the alert can be judged; the rest says nothing yet. */
  ask?: readonly string[]
  /** In the order in which they were found. Never empty. */
  reasons: Reason[]
}

/** Canonical target, whom it is for, which way, how long; what is done to which traffic, where it is no plain block. */
export type Order = {
  target: string
  audience: string[]
  direction: Direction
  lengthMs: number
  measure?: Measure
  scope?: Narrowing
}

/** A structured reason; `explain` prints it as a sentence. */
export type Reason =
  | { code: 'rule_matched'; rule: string; because: string }
  | { code: 'no_rule_matched' }
  | { code: 'condition_failed'; rule: string; problem: string }
  | { code: 'no_attacker' }
  | { code: 'not_blockable'; address: string; scope: string }
  | { code: 'protected'; address: string; by: string; why: string }
  | { code: 'too_old'; ageMs: number; limitMs: number }
  | { code: 'over'; endedMs: number }
  | { code: 'shortened'; lengthMs: number; until: number }
  | { code: 'withdrawn'; by: string; why: string }
  | { code: 'from_the_future'; aheadMs: number; limitMs: number }
  | { code: 'widened'; address: string; network: string }
  | { code: 'kept_narrow'; address: string; network: string; by: string }
  | { code: 'too_wide'; target: string; ceiling: number }
  | { code: 'escalated'; offences: number; lengthMs: number; ceilingMs: number }
  | {
      code: 'ceiling'
      ceiling: 'blocks_per_minute' | 'blocks_in_force'
      limit: number
      value: number
    }
  | { code: 'observed'; scope: 'rule' | 'policy'; rule: string }
  | { code: 'already_dropped_by_sensor' }
  | { code: 'ignored'; by: string; why: string; until: number }
  | { code: 'must_ask'; rule: string; providers: readonly string[] }
  | { code: 'certain'; signature: string }
  | { code: 'place'; country: string; asn: number; as_owner: string }
  | { code: 'listed'; list: string }
  | {
      code: 'intelligence'
      provider: string
      verdict: string
      score: number
      ageMs: number
      summary: string
    }
  | { code: 'source_silent'; source: string; fail: FailMode; problem: string }
  | { code: 'vetoed'; provider: string; summary: string }
  | { code: 'provisional'; rule: string; lengthMs: number; fullMs: number }
  | { code: 'confirmed'; rule: string; lengthMs: number }
  | { code: 'not_confirmed'; rule: string }
  | { code: 'allowed'; target: string; by: string; why: string; until: number }
  | { code: 'rollout'; nodes: number; audience: readonly string[] }
  | { code: 'rollout_halted'; problem: string }
