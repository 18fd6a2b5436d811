/** What came of it all, for other systems: changes in the journal, words of nodes, alerts and how they were judged. */
import type { Alert } from './alert.ts'
import type { Problem } from './problem.ts'

/**
 * One thing that happened. `action` is the noun and verb of the journal (`decision.issue`, `receipt.refused`), or
 * `receipt.applied`, `receipt.planned`, `receipt.ended` for what a node said, or `alert.judged` for an alert that led to
 * a decision or became evidence of one.
 */
export type Result = {
  /** The same at every try, also after a restart, and never that of anything else of any Cordon: 43 base64url characters. */
  id: string
  /** Epoch milliseconds. */
  at: number
  action: string
  /** What it is about, as it stands when the result is given, which may be later than `at`. */
  decision?: ResultDecision
  /** Of this connector's own alerts those that it is about, oldest first, a hundred at most; none unless the sink asks. */
  alerts: readonly Alert[]
  /** In the Elastic Common Schema 8.17, with `cordon.*` for what has no field there. Holds no secret. */
  document: Readonly<Record<string, unknown>>
}

export type ResultDecision = {
  id: string
  state: 'waiting' | 'issued' | 'applied' | 'ended' | 'declined' | 'noted'
  /** What the policy said. */
  outcome: 'block' | 'review' | 'watch' | 'ignore'
  /** What was ordered, or would be: a limit and an allow stop nothing for good. */
  does: 'block' | 'allow' | 'limit'
  /** Canonical; absent where an alert names nobody. */
  target?: string
  rule?: string
  /** Epoch milliseconds. */
  notAfter?: number
  /** How it ended. */
  ended?: 'expired' | 'lifted'
  /** Who ended or answered it, such as `token/alice` or `clock`. */
  actor?: string
  /** Sentences for a person, most telling first. */
  reasons: readonly string[]
}

/** A place outside that gets results: each once, in order, nothing left out however long it was away. */
export type Sink = {
  /** Stable name, shown to people: its place is kept under it. */
  key: string
  /** Results of other actions are passed over. */
  wants(action: string): boolean
  /** So many at once at most. */
  most: number
  /** Asks for the `alerts` of each result, which costs a look into the store. */
  withAlerts?: boolean
  /**
   * Takes them all, oldest first, before it resolves. What was taken before, as after a crash, is given again with the
   * same ids. Resolves to those that can never be taken, each with why: they are reported and passed over. Throws a
   * Problem when it has to be tried again, with `retryMs` where the other side says when; a batch that was taken in part
   * is given again as a whole.
   */
  take(results: readonly Result[], stop: AbortSignal): Promise<readonly Refusal[]>
  close?(): Promise<void>
}

export type Refusal = { id: string; problem: Problem }
