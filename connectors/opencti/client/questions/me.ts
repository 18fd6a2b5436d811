/** Who the token's user is, and what it may do. Asked of no other user, so it needs no right. */
import { z } from 'zod'
import { type Client, question } from '../client.ts'

const me = question(
  `query CordonMe {
  me { name capabilities { name } effective_confidence_level { max_confidence } }
}`,
  z.object({
    me: z.object({
      name: z.string(),
      capabilities: z.array(z.object({ name: z.string() })),
      effective_confidence_level: z.object({ max_confidence: z.number() }).nullish(),
    }),
  }),
)

export type Me = {
  name: string
  /** Whether the user has the capability, by one below it, or because it may do everything. */
  may(capability: string): boolean
  /** Undefined: it can create nothing. */
  maxConfidence: number | undefined
}

export async function askMe(client: Client, signal?: AbortSignal): Promise<Me> {
  const {
    name,
    capabilities,
    effective_confidence_level: level,
  } = (await client.ask(me, {}, { signal })).me
  const held = capabilities.map((capability) => capability.name)
  return {
    name,
    may: (wanted) =>
      held.some((one) => one === 'BYPASS' || one === wanted || one.startsWith(`${wanted}_`)),
    maxConfidence: level?.max_confidence,
  }
}
