/** A token bucket for each caller; who cannot name himself shares one by his address. */
import { Problem } from '#contract/problem.ts'

export type RateLimit = {
  /** Throws `rate_limited` when the caller has nothing left. */
  take(caller: string, now: number): void
}

type Bucket = { left: number; at: number }

/** Callers that are remembered; beyond that the oldest begin anew. */
const keptCallers = 10_000

export function openRateLimit(perSecond: number, burst: number): RateLimit {
  const buckets = new Map<string, Bucket>()
  return {
    take: (caller, now) => {
      const { left, at } = buckets.get(caller) ?? { left: burst, at: now }
      const refilled = Math.min(burst, left + (Math.max(0, now - at) / 1_000) * perSecond)
      buckets.delete(caller)
      // What is refused costs nothing: who asks too fast gets his share, not silence.
      buckets.set(caller, { left: refilled < 1 ? refilled : refilled - 1, at: now })
      if (buckets.size > keptCallers) buckets.delete(buckets.keys().next().value ?? '')
      if (refilled < 1)
        throw new Problem('rate_limited', `more than ${perSecond} requests a second`, {
          remedy: 'wait a second; send alerts as an array, many in one request',
        })
    },
  }
}
