/** What the answers look like, and how decisions and nodes are shown. Times are RFC 3339, lengths seconds. */
import { z } from '@hono/zod-openapi'
import { Direction, Protocol, Rate } from '#contract/action.ts'
import { Audience, NodeName } from '#contract/audience.ts'
import { Heartbeat } from '#contract/receipt.ts'
import { printTime } from '#contract/time.ts'
import { explainReason } from '../decide/explain.ts'
import { printMeasure } from '../decide/measure.ts'
import { printOnly } from '../decide/traffic.ts'
import { audienceNodes } from '../flow/audience-nodes.ts'
import { measures } from '../flow/manual-measure.ts'
import { nodeState, nodeStates } from '../flow/node-state.ts'
import { type Decision, decisionStates } from '../store/decisions.ts'
import type { Hits } from '../store/hits.ts'
import type { Node } from '../store/nodes.ts'
import type { NodeReceipt } from '../store/receipts.ts'

const time = z.string().meta({ example: '2026-03-01T01:02:03.456Z' })

const NodeCounts = z
  .object({
    of: z.int().meta({ description: 'nodes that this decision is for' }),
    applied: z.int().meta({ description: 'whose kernel confirmed' }),
    planned: z.int().meta({ description: 'in dry run: would, and do not' }),
    refused: z.int(),
    failed: z.int(),
    ended: z.int(),
  })
  .meta({ id: 'NodeCounts' })

const HitsShape = z
  .object({
    packets: z.int().meta({ description: 'stopped, as the nodes last counted them' }),
    last: time.meta({ description: 'when the last of them was' }),
  })
  .meta({ id: 'Hits', description: 'what nodes stopped by it; null when nothing is known of any' })

const RolloutShape = z
  .object({
    audience: z.array(Audience).meta({ description: 'whom it is for in the end' }),
    nodes: z.array(NodeName).meta({ description: 'on which it is tried, or was' }),
    due: time.nullable().meta({ description: 'when those are looked at; null when that is over' }),
  })
  .meta({ id: 'Rollout', description: 'a wide block goes to a few nodes first' })

export const DecisionShape = z
  .object({
    id: z.string(),
    state: z.enum(decisionStates),
    message: z.string().meta({ description: 'the state in a sentence' }),
    outcome: z.enum(['block', 'review', 'watch', 'ignore']),
    would: z.enum(['block', 'review', 'watch', 'ignore']).nullable(),
    origin: z.enum(['policy', 'manual']),
    rule: z.string().nullable(),
    because: z.array(z.string()).meta({ description: 'the reasons as sentences' }),
    reasons: z.array(z.record(z.string(), z.unknown())),
    target: z.string().nullable(),
    action: z.enum(measures).meta({
      description: 'what is done to the traffic: of allow the verdict is ignore, of limit block',
    }),
    what: z.string().nullable().meta({
      description: 'the same in words',
      example: 'limit 203.0.113.7 to 20 packets a second (burst 40), only tcp port 22',
    }),
    response: z.enum(['drop', 'reject']).nullable().meta({ description: 'of a block' }),
    rate: Rate.nullable().meta({ description: 'of a limit' }),
    direction: Direction.nullable(),
    interface: z.string().nullable(),
    peer: z.string().nullable().meta({ description: 'who is at the other end' }),
    peer_interface: z.string().nullable(),
    protocol: Protocol.nullable(),
    ports: z.array(z.string()).nullable(),
    audience: z.array(Audience),
    length_s: z.number().nullable(),
    created: time,
    issued: time.nullable(),
    not_after: time.nullable(),
    ended: time.nullable(),
    end_reason: z.enum(['expired', 'lifted']).nullable(),
    actor: z.string().nullable(),
    note: z.string().nullable(),
    alerts: z.int(),
    nodes: NodeCounts,
    hits: HitsShape.nullable(),
    rollout: RolloutShape.nullable(),
  })
  .meta({ id: 'Decision' })
export type DecisionShape = z.infer<typeof DecisionShape>

export const NodeShape = z
  .object({
    name: NodeName,
    groups: z.array(NodeName),
    state: z.enum(nodeStates).meta({ description: 'silent: three of its heartbeats did not come' }),
    connected: z.boolean(),
    enrolled: time,
    last_seen: time.nullable(),
    revoked: time.nullable(),
    heartbeat: Heartbeat.nullable(),
  })
  .meta({ id: 'Node' })
export type NodeShape = z.infer<typeof NodeShape>

export function showNode(node: Node, connected: boolean, now: number): NodeShape {
  return {
    name: node.name,
    groups: node.groups,
    state: nodeState(node, now),
    connected,
    enrolled: printTime(node.enrolled),
    last_seen: orNull(node.lastSeen),
    revoked: orNull(node.revoked),
    heartbeat: node.heartbeat,
  }
}

/** `nodes` are all that are enrolled; the decision is for those in its audience. */
export function showDecision(
  decision: Decision,
  receipts: readonly NodeReceipt[],
  nodes: readonly Node[],
  hits: Hits | undefined,
  now: number,
): DecisionShape {
  const { measure, scope, rollout } = decision
  const counts = count(decision, receipts, nodes)
  return {
    id: decision.id,
    state: decision.state,
    message: stateSentence(decision, counts, now),
    outcome: decision.outcome,
    would: decision.would,
    origin: decision.origin,
    rule: decision.rule,
    because: decision.reasons.map(explainReason),
    reasons: decision.reasons,
    target: decision.target,
    action: measure.action,
    what: whatOf(decision),
    response: measure.action === 'block' ? (measure.response ?? 'drop') : null,
    rate: measure.action === 'limit' ? measure.rate : null,
    direction: decision.direction,
    interface: scope.interface ?? null,
    peer: scope.peer ?? null,
    peer_interface: scope.peer_interface ?? null,
    protocol: scope.protocol ?? null,
    ports: scope.ports ? [...scope.ports] : null,
    audience: decision.audience,
    length_s: decision.lengthMs === null ? null : decision.lengthMs / 1_000,
    created: printTime(decision.created),
    issued: orNull(decision.issued),
    not_after: orNull(decision.notAfter),
    ended: orNull(decision.ended),
    end_reason: decision.endReason,
    actor: decision.actor,
    note: decision.note,
    alerts: decision.alerts,
    nodes: counts,
    hits: hits ? { packets: hits.packets, last: printTime(hits.last) } : null,
    rollout: rollout && {
      audience: rollout.audience,
      nodes: rollout.nodes,
      due: orNull(rollout.due),
    },
  }
}

/** Of an alert that led to nothing there is nothing to say. */
function whatOf({ target, direction, measure, scope }: Decision): string | null {
  if (target === null || direction === null) return null
  const only = printOnly(measure.action, { direction, ...scope })
  return `${printMeasure(measure, target)}${only && `, only ${only}`}`
}

function count(decision: Decision, receipts: readonly NodeReceipt[], nodes: readonly Node[]) {
  const names = new Set(audienceNodes(decision.audience, nodes).map(({ name }) => name))
  const tally = { of: names.size, applied: 0, planned: 0, refused: 0, failed: 0, ended: 0 }
  for (const { decision: id, node, status } of receipts)
    if (id === decision.id && names.has(node)) tally[status]++
  return tally
}

function stateSentence(
  { state, endReason, outcome, rollout, notAfter }: Decision,
  nodes: z.infer<typeof NodeCounts>,
  now: number,
): string {
  if (state === 'waiting') return 'waits for a person to approve or decline'
  if (state === 'declined') return 'declined'
  if (state === 'noted') return outcome === 'ignore' ? 'ignored' : 'noted, nothing to enforce'
  if (state === 'ended' && endReason === 'lifted') {
    const isOpen = nodes.applied > 0 && (notAfter ?? 0) > now
    return isOpen ? `lifted, not confirmed yet by ${nodes.applied} of ${nodes.of} nodes` : 'lifted'
  }
  if (state === 'ended') return 'ended by its time'
  if (nodes.of === 0) return 'signed, but no node is enrolled to enforce it'
  const trouble = nodes.refused + nodes.failed
  const trial = typeof rollout?.due === 'number'
  const parts = [
    `in the kernel of ${nodes.applied} of ${nodes.of} nodes`,
    nodes.planned > 0 && `only planned by ${nodes.planned} in dry run`,
    trouble > 0 && `${trouble} refused or failed`,
    trial && `the rest of ${rollout.audience.join(', ')} follows when these stay well`,
  ]
  return parts.filter(Boolean).join(', ')
}

function orNull(ms: number | null): string | null {
  return ms === null ? null : printTime(ms)
}
