/** What is known about an attacker when its alert is judged. Gathered before, so that judging is pure. */
import type { Direction } from '#contract/action.ts'
import type { Outside } from './outside.ts'

export type Facts = {
  /**
   * Earlier alerts of the same attacker, newest first, without the one that is judged. At most 1,000. Attackers in one
   * network of the length that the policy blocks by default (an IPv6 /64) are the same.
   */
  history: readonly PastAlert[]
  /** Blocks that were decided before for the same target and have begun, ended or not: repeat offences. */
  offences: number
  /** Addresses of the machine of the service and of where it is reached; never blocked. */
  own: readonly string[]
  /** Blocks in force in the whole fleet now, and those issued in the last minute. */
  blocksInForce: number
  blocksLastMinute: number
  outside: Outside
  /** What people said of this attacker or of this kind of alert, and what is still so. */
  ignored?: { until: number; actor: string; reason: string } | undefined
  /** What people allow for a time that has to do with this attacker. */
  allowed?: readonly Allowance[] | undefined
  /** When a node last stopped something of what is blocked for this attacker, epoch milliseconds. */
  lastHit?: number | undefined
  /** Never blocked, besides what the policy protects: people said so. The same array until it changes. */
  sheltered: readonly { address: string; why: string }[]
}

/** All traffic of the target in this direction passes on the nodes of the audience, whatever else is ordered. */
export type Allowance = {
  target: string
  direction: Direction
  audience: readonly string[]
  until: number
  actor: string
  reason: string
}

export type PastAlert = {
  /** Epoch milliseconds of observation. */
  at: number
  rule: string
  count: number
  port?: number
  user?: string
  /** Address or host name; empty when the detector names none. */
  victim?: string
}

/** History reaches back at most this far and this many: counting conditions saturate there. */
export const historyWindowMs = 24 * 3_600_000
export const historyLimit = 1_000
