/** How decisions are shown: each with what its nodes said; and what every answer about one has in common. */
import { z } from '@hono/zod-openapi'
import type { Flow } from '../flow/flow.ts'
import type { Who } from '../flow/order-line.ts'
import type { Decision } from '../store/decisions.ts'
import { hitsOf } from '../store/hits.ts'
import { listNodes } from '../store/nodes.ts'
import { receiptsOf } from '../store/receipts.ts'
import type { Caller } from './route.ts'
import { DecisionShape, type DecisionShape as Shown, showDecision } from './shapes.ts'

export const idParams = z.object({ id: z.string().meta({ example: 'd-4x7k2m9qz1hb0wfa' }) })
export const Reason = z
  .string()
  .trim()
  .min(1)
  .max(500)
  .meta({ description: 'why; required and journalled', example: 'customer confirmed the scan' })

const Wait = z.coerce.number().min(0).max(10).default(0).meta({
  description: 'seconds to wait for the nodes to confirm before answering',
  example: 2,
})
export const waitQuery = z.strictObject({ wait_s: Wait })

export const One = z.object({ success: z.literal(true), decision: DecisionShape })

export const decisionExample = {
  id: 'd-4x7k2m9qz1hb0wfa',
  state: 'applied',
  message: 'in the kernel of 3 of 3 nodes',
  outcome: 'block',
  target: '203.0.113.7',
  action: 'block',
  what: 'block 203.0.113.7',
  nodes: { of: 3, applied: 3, planned: 0, refused: 0, failed: 0, ended: 0 },
}
export const oneExample = { success: true, decision: decisionExample }

export async function showDecisions(flow: Flow, decisions: readonly Decision[]): Promise<Shown[]> {
  const nodes = await listNodes(flow.store.read)
  const ids = [...new Set(decisions.map(({ id }) => id))]
  const receipts = await receiptsOf(flow.store.read, ids)
  const hits = await hitsOf(flow.store.read, ids)
  const byDecision = Map.groupBy(receipts, ({ decision }) => decision)
  const now = flow.now()
  return decisions.map((decision) => {
    const said = byDecision.get(decision.id) ?? []
    return showDecision(decision, said, nodes, hits.get(decision.id), now)
  })
}

export function who(caller: Caller, reason: string): Who {
  return { actor: caller.actor, reason }
}
