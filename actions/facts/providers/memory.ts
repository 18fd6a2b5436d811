/** Answers of one provider: the latest used in memory, all of them in the store. */
import {
  askedSince,
  forgetAnswers,
  type KeptAnswer,
  putAnswer,
  readAnswer,
} from '../../store/intelligence.ts'
import type { Store } from '../../store/store.ts'

const mostInMemory = 5_000
const tidyEveryMs = 3_600_000

/** An answer dated later than now, by a clock that was wrong, would never become old. */
const futureMs = 60_000

/** An old answer is better than none, but only up to so many times as long as it was good. */
const staleFactor = 4

export type Memory = {
  /** From memory only, at once; undefined for what is too old for anything. */
  recall(address: string): KeptAnswer | undefined
  /** From the store too. Rejects when it cannot be read. */
  find(address: string): Promise<KeptAnswer | undefined>
  isFresh(kept: KeptAnswer): boolean
  /** In memory at once, whatever becomes of the store. */
  keep(kept: KeptAnswer): Promise<void>
  askedSince(since: number, most: number): Promise<number[]>
  size(): number
}

/** `rememberMs`: rows that are younger are kept for counting, however short an answer is good. */
export function openMemory(
  provider: string,
  store: Store,
  { keepMs, rememberMs }: { keepMs: number; rememberMs: number },
  now: () => number,
): Memory {
  const latest = new Map<string, KeptAnswer>()
  let tidyAt = 0

  const hold = (kept: KeptAnswer) => {
    const { address } = kept.intelligence
    latest.delete(address)
    latest.set(address, kept)
    if (latest.size > mostInMemory) latest.delete(latest.keys().next().value ?? '')
  }
  const usable = ({ asked }: KeptAnswer) =>
    asked <= now() + futureMs && now() - asked <= staleFactor * keepMs
  const recall = (address: string) => {
    const kept = latest.get(address)
    if (!kept) return undefined
    if (usable(kept)) {
      hold(kept)
      return kept
    }
    latest.delete(address)
    return undefined
  }
  return {
    recall,
    find: async (address) => {
      const held = recall(address)
      if (held) return held
      const kept = await readAnswer(store.read, provider, address)
      if (!kept || !usable(kept)) return undefined
      hold(kept)
      return kept
    },
    isFresh: ({ asked }) => now() - asked < keepMs,
    keep: async (kept) => {
      hold(kept)
      const tidy = now() >= tidyAt
      if (tidy) tidyAt = now() + tidyEveryMs
      await store.note(async (tx) => {
        await putAnswer(tx, kept)
        if (tidy)
          await forgetAnswers(tx, provider, now() - Math.max(rememberMs, staleFactor * keepMs))
      })
    },
    askedSince: (since, most) => askedSince(store.read, provider, since, most),
    size: () => latest.size,
  }
}
