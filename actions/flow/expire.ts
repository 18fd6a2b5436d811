/** By the clock: ends decisions whose time is over. The kernels have already let go by themselves. */
import { endExpired } from '../store/decisions.ts'
import { appendJournal } from '../store/journal.ts'
import { dropEndedClaims, pruneEnvelopes } from '../store/outbox.ts'
import type { Store } from '../store/store.ts'

/** Decisions ended in one transaction, so that alerts are never stuck behind a long one. */
const atOnce = 1_000

/** Envelopes are kept for nodes that were away; longer than that and they take a snapshot. */
const envelopesKeptMs = 24 * 3_600_000

/** Returns how many ended. */
export async function expire(store: Store, now: number): Promise<number> {
  let total = 0
  for (;;) {
    const ended = await store.write(async (tx) => {
      const ids = await endExpired(tx, now, atOnce)
      await dropEndedClaims(tx, now)
      await appendJournal(
        tx,
        ids.map((id) => ({ at: now, actor: 'clock', action: 'decision.expire', subject: id })),
      )
      return ids.length
    })
    total += ended
    if (ended < atOnce) return total
  }
}

export async function prune(store: Store, now: number): Promise<void> {
  await store.write((tx) => pruneEnvelopes(tx, now - envelopesKeptMs))
}
