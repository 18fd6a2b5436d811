/** Receipts and heartbeats of the nodes into the store: the only arrow back. */
import type { Heartbeat, Receipt } from '#contract/receipt.ts'
import { markApplied } from '../store/decisions.ts'
import { appendJournal } from '../store/journal.ts'
import { putHeartbeat } from '../store/nodes.ts'
import { putReceipts } from '../store/receipts.ts'
import type { Store } from '../store/store.ts'

/** Refusals and failures go into the journal too: they are what somebody will ask about. */
export async function acknowledge(
  store: Store,
  node: string,
  receipts: readonly Receipt[],
  now: number,
): Promise<void> {
  const applied = receipts.filter((receipt) => receipt.status === 'applied')
  const unwell = receipts.filter(
    (receipt) => receipt.status === 'refused' || receipt.status === 'failed',
  )
  await store.note(async (tx) => {
    await putReceipts(tx, node, receipts)
    await markApplied(
      tx,
      applied.map((receipt) => receipt.decision),
    )
    await appendJournal(
      tx,
      unwell.map((receipt) => ({
        at: now,
        actor: `node/${node}`,
        action: `receipt.${receipt.status}`,
        subject: receipt.decision,
        after: { code: receipt.code, detail: receipt.detail },
      })),
    )
  })
}

/** What the node did of its own accord (healing, resynchronising) is journalled. */
export async function takeHeartbeat(
  store: Store,
  node: string,
  heartbeat: Heartbeat,
  now: number,
): Promise<void> {
  await store.note(async (tx) => {
    await putHeartbeat(tx, node, heartbeat, now)
    await appendJournal(
      tx,
      heartbeat.events.map((event) => ({
        at: now,
        actor: `node/${node}`,
        action: `node.${event.kind}`,
        subject: node,
        after: { at: event.at, detail: event.detail },
      })),
    )
  })
}
