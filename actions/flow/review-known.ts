/** What sources outside said of an attacker, as it was kept with the alert, in sentences. Pure. */
import { z } from 'zod'
import { explainReason } from '../decide/explain.ts'
import type { Reason } from '../decide/verdict.ts'

/** As the alert keeps it; a shape of an older version says nothing. */
const Known = z.object({
  place: z.object({ country: z.string(), asn: z.number(), as_owner: z.string() }),
  lists: z.array(z.string()),
  ready: z.array(z.string()),
  intelligence: z.record(
    z.string(),
    z.union([
      z.object({
        state: z.literal('answered'),
        verdict: z.string(),
        score: z.number(),
        summary: z.string(),
        ageMs: z.number(),
      }),
      z.object({ state: z.literal('silent'), problem: z.string() }),
    ]),
  ),
})

export function knownSentences(kept: unknown): string[] {
  const read = Known.safeParse(kept)
  if (!read.success) return []
  const { place, lists, ready, intelligence } = read.data
  const placed = ready.includes('country') || ready.includes('asn')
  const reasons: Reason[] = [
    ...(placed ? [{ code: 'place', ...place } as const] : []),
    ...lists.map((list) => ({ code: 'listed', list }) as const),
  ]
  const said = Object.entries(intelligence).map(([provider, fact]) =>
    fact.state === 'silent'
      ? `${provider} did not answer: ${fact.problem}.`
      : explainReason({ code: 'intelligence', provider, ...fact }),
  )
  return [...reasons.map(explainReason), ...said]
}
