/** What Cordon knows of an address, as connectors are told that answer for it. */
import type { Direction } from './action.ts'

export type Knowledge = {
  /** Canonical. */
  address: string
  /** What stands on it, within it or around it first, then the newest that ended; at most 20. */
  decisions: readonly KnownDecision[]
  /** What was seen of exactly this attacker, or of all in this network, in the last 30 days, newest first, at most 1,000. */
  alerts: readonly KnownAlert[]
  /** Empty text and 0 for what is not known. */
  place: { country: string; asn: number; as_owner: string }
  /** Names of the lists that hold it. */
  lists: readonly string[]
}

export type KnownDecision = {
  id: string
  /** `waiting` for a person, `issued` to nodes, `applied` by at least one. */
  state: 'waiting' | 'issued' | 'applied' | 'ended' | 'declined' | 'noted'
  outcome: string
  target: string
  rule: string | undefined
  direction: Direction | undefined
  /** Epoch milliseconds. */
  created: number
  notAfter: number | undefined
  ended: number | undefined
  /** Nodes whose kernel confirmed it. */
  nodes: number
}

export type KnownAlert = {
  /** Epoch milliseconds of observation. */
  at: number
  /** The connector that brought it. */
  source: string
  rule: string
  /** Events that it stands for. */
  count: number
}
