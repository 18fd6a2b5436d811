/** A source of facts about addresses, as people see it: whether it answers, how old its data are, what is wrong. */
import type { ProblemBody } from '#contract/problem.ts'

export type SourceState = {
  name: string
  kind: 'places' | 'list' | 'provider'
  /** `silent` says nothing at all about an address: its silence never counts as clean. */
  state: 'ready' | 'silent'
  /** Also of a source that is ready: it goes on with what it had before. */
  problem?: ProblemBody
  /** Ms since the data were made, or were last confirmed by who makes them. */
  age?: number
  /** Epoch ms at which it came into this state. */
  since?: number
  details: Record<string, string | number | boolean>
}
