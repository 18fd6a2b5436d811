/** How a node is, by its heartbeats. */
import type { Node } from '../store/nodes.ts'

export const nodeStates = ['active', 'silent', 'never_seen', 'revoked'] as const
export type NodeState = (typeof nodeStates)[number]

/** So many heartbeats missed. */
const missedWhenSilent = 3
/** Between the heartbeats of a node that does not say how often it sends them. */
const usualIntervalMs = 30_000

export function nodeState(
  { revoked, lastSeen, heartbeat }: Pick<Node, 'revoked' | 'lastSeen' | 'heartbeat'>,
  now: number,
): NodeState {
  if (revoked !== null) return 'revoked'
  if (lastSeen === null) return 'never_seen'
  const interval = heartbeat?.interval_ms ?? usualIntervalMs
  return now - lastSeen > missedWhenSilent * interval ? 'silent' : 'active'
}
