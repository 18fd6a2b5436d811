/** What the service answers about standing rules, as far as it is printed. */
import { z } from 'zod'
import { Problem } from '#contract/problem.ts'
import type { Client } from './client.ts'

const Diff = z.looseObject({
  audience: z.string(),
  change: z.enum(['new', 'changed', 'same']),
  lines: z.array(z.string()),
})

export const Proposals = z.looseObject({
  proposals: z.array(
    z.looseObject({ audience: z.string(), warnings: z.array(z.string()), diff: Diff }),
  ),
})

export const AppliedPostures = z.looseObject({
  applied: z.array(
    z.looseObject({
      audience: z.string(),
      confirm: z.int(),
      signed: z.boolean(),
      warnings: z.array(z.string()),
      diff: Diff,
    }),
  ),
})

const StandingPosture = z.looseObject({
  audience: z.string(),
  version: z.string(),
  removed: z.boolean(),
  applied: z.string(),
  actor: z.string(),
  sentences: z.array(z.string()),
  nodes: z.array(
    z.looseObject({
      node: z.string(),
      status: z.string(),
      in_force: z.string().nullable(),
      next_change: z.string().nullable(),
      detail: z.string().nullable(),
    }),
  ),
})
export type StandingPosture = z.infer<typeof StandingPosture>

export async function fetchPostures(client: Client): Promise<StandingPosture[]> {
  const Postures = z.looseObject({ postures: z.array(StandingPosture) })
  return (await client.get('/v1/posture', Postures)).postures
}

/** `web` is the group of that name, for people who type. Throws `invalid_input`. */
export function readAudience(text: string): string {
  if (/^(all|group\/.+|node\/.+)$/.test(text)) return text
  throw new Problem('invalid_input', `"${text}" is no audience`, {
    remedy: `write all, group/${text} or node/${text}`,
  })
}
