/** What the command line reads of the service's answers; whatever else they hold goes through to `--json`. */
import { z } from 'zod'

const Counts = z.looseObject({
  of: z.int(),
  applied: z.int(),
  planned: z.int(),
  refused: z.int(),
  failed: z.int(),
})

export const DecisionAnswer = z.looseObject({
  id: z.string(),
  state: z.string(),
  message: z.string(),
  outcome: z.string(),
  would: z.string().nullable(),
  origin: z.string(),
  rule: z.string().nullable(),
  because: z.array(z.string()),
  target: z.string().nullable(),
  direction: z.string().nullable(),
  action: z.string(),
  what: z.string().nullable(),
  response: z.string().nullable(),
  rate: z.looseObject({ packets: z.int(), per: z.string() }).nullable(),
  interface: z.string().nullable(),
  peer: z.string().nullish(),
  peer_interface: z.string().nullish(),
  protocol: z.string().nullable(),
  ports: z.array(z.string()).nullable(),
  audience: z.array(z.string()),
  created: z.string(),
  not_after: z.string().nullable(),
  ended: z.string().nullable(),
  actor: z.string().nullable(),
  note: z.string().nullable(),
  alerts: z.int(),
  nodes: Counts,
  hits: z.looseObject({ packets: z.int(), last: z.string() }).nullable(),
  rollout: z
    .looseObject({
      audience: z.array(z.string()),
      nodes: z.array(z.string()),
      due: z.string().nullable(),
    })
    .nullable(),
})
export type DecisionAnswer = z.infer<typeof DecisionAnswer>

export const AlertAnswer = z.looseObject({
  id: z.string(),
  source: z.string(),
  observed: z.string(),
  rule: z.looseObject({ id: z.string(), name: z.string(), severity: z.number() }),
  attacker: z.string().optional(),
  user: z.string().optional(),
  count: z.number(),
  victim: z
    .looseObject({
      address: z.string().optional(),
      host: z.string().optional(),
      port: z.number().optional(),
    })
    .optional(),
})
export type AlertAnswer = z.infer<typeof AlertAnswer>

export const NodeAnswer = z.looseObject({
  name: z.string(),
  groups: z.array(z.string()),
  state: z.string(),
  connected: z.boolean(),
  last_seen: z.string().nullable(),
  heartbeat: z
    .looseObject({
      backend: z.string(),
      enforcing: z.boolean(),
      claims: z.number(),
      problem: z.string().optional(),
    })
    .nullable(),
})

export const TokenAnswer = z.looseObject({
  id: z.string(),
  name: z.string(),
  scopes: z.array(z.string()),
  expires: z.string().nullable(),
  revoked: z.string().nullable(),
})

export const Message = z.looseObject({ message: z.string() })
