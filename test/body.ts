/** The JSON of an answer with the fields that tests look into; that it is as documented is checked elsewhere. */
import { z } from 'zod'
import { DecisionShape, NodeShape } from '../actions/api/shapes.ts'

const Recorded = z.object({
  alert: z.string(),
  result: z.string(),
  decision: z.string(),
  outcome: z.string(),
  state: z.string(),
})

const Item = z.object({
  index: z.number(),
  status: z.string(),
  alerts: z.array(Recorded).optional(),
  problem: z.looseObject({ code: z.string(), detail: z.string() }).optional(),
})

/** Decisions as objects; where an answer gives only the id, it is left out. */
const Body = z.looseObject({
  success: z.boolean().optional(),
  code: z.string().optional(),
  detail: z.string().optional(),
  remedy: z.string().optional(),
  message: z.string().optional(),
  notice: z.string().optional(),
  stored: z.number().optional(),
  repeats: z.number().optional(),
  ignored: z.number().optional(),
  refused: z.number().optional(),
  items: z.array(Item).default([]),
  decision: DecisionShape.optional().catch(undefined),
  decisions: z.array(DecisionShape).default([]),
  recent: z.array(DecisionShape).default([]),
  unconfirmed: z
    .array(z.object({ node: z.string(), decision: z.string(), until: z.string() }))
    .default([]),
  as_peer: z.array(DecisionShape).default([]),
  lifted: z.array(DecisionShape).default([]),
  still_covered_by: z.array(DecisionShape).default([]),
  still_allowed_by: z.array(DecisionShape).default([]),
  ordered: z.boolean().optional(),
  blocked: z.boolean().optional(),
  until: z.string().nullable().optional(),
  nodes: z.array(z.union([NodeShape, z.looseObject({ node: z.string() })])).default([]),
  alerts: z.array(z.looseObject({ decision: z.string() })).default([]),
  token: z.string().optional().catch(undefined),
  secret: z.string().optional(),
  manifest: z.string().optional(),
  announcements: z.array(z.string()).default([]),
  epoch: z.number().optional(),
  kid: z.string().optional(),
  keys: z.unknown().optional(),
  whole: z.boolean().optional(),
  broken: z.number().optional(),
  lines: z.unknown().optional(),
  timeline: z.array(z.object({ actor: z.string(), action: z.string() })).default([]),
})
export type Body = z.infer<typeof Body>

export function readBody(type: string, text: string): Body {
  const value: unknown = /[/+]json\b/.test(type) ? JSON.parse(text) : undefined
  return Body.parse(
    typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {},
  )
}
