/** By the clock: ends decisions whose time is over. The kernels have already let go by themselves. */
import { setImmediate as turn } from 'node:timers/promises'
import { removeIdleApprovals } from '../store/approvals.ts'
import { anyExpired, endExpired } from '../store/in-force.ts'
import { appendJournal } from '../store/journal.ts'
import { removeLinks } from '../store/links.ts'
import { anyEndedClaim, dropEndedClaims, pruneEnvelopes } from '../store/outbox.ts'
import { dropEndedIgnored } from '../store/said.ts'
import type { Store } from '../store/store.ts'

/** Rows of one transaction, so that alerts are never stuck behind a long one. */
const atOnce = 1_000

/** Envelopes are kept for nodes that were away; longer than that and they take a snapshot. */
const envelopesKeptMs = 24 * 3_600_000

/** So long after its end a link still says why it does nothing. */
const linksKeptMs = 7 * 24 * 3_600_000

/** Returns how many ended. Mostly it is none, and to write nothing costs more than to look. */
export async function expire(store: Store, now: number): Promise<number> {
  let total = 0
  if (!(await anyExpired(store.read, now)) && !(await anyEndedClaim(store.read, now))) return 0
  for (;;) {
    const { ended, dropped } = await store.write(async (tx) => {
      const ids = await endExpired(tx, now, atOnce)
      const dropped = await dropEndedClaims(tx, now, atOnce)
      await appendJournal(
        tx,
        ids.map((id) => ({ at: now, actor: 'clock', action: 'decision.expire', subject: id })),
      )
      return { ended: ids.length, dropped }
    })
    total += ended
    if (ended < atOnce && dropped < atOnce) return total
  }
}

/** In steps, so that alerts are never stuck behind a day of envelopes. */
async function pruneOldEnvelopes(store: Store, now: number): Promise<void> {
  const step = () => store.note((tx) => pruneEnvelopes(tx, now - envelopesKeptMs, atOnce))
  while (await step()) await turn()
}

export async function prune(store: Store, now: number): Promise<void> {
  await pruneOldEnvelopes(store, now)
  await store.write(async (tx) => {
    await removeLinks(tx, now - linksKeptMs)
    await removeIdleApprovals(tx)
    const ended = await dropEndedIgnored(tx, now)
    await appendJournal(
      tx,
      ended.map(({ id }) => ({ at: now, actor: 'clock', action: 'ignore.end', subject: id })),
    )
  })
}
