/** Receipts and heartbeats of the nodes into the store: the only arrow back. */
import { audiencesOf } from '#contract/audience.ts'
import type { PostureReceipt } from '#contract/posture.ts'
import type { DecisionHits, FeedReceipt, Heartbeat, Receipt } from '#contract/receipt.ts'
import { audiencesById } from '../store/decisions.ts'
import { hitsBefore, putHits } from '../store/hits.ts'
import { markApplied } from '../store/in-force.ts'
import { appendJournal, type JournalEntry } from '../store/journal.ts'
import { findNode, findNodeIdentity, putHeartbeat } from '../store/nodes.ts'
import { putReceiptWords } from '../store/receipt-words.ts'
import { answeredBefore, putReceipts } from '../store/receipts.ts'
import type { Store, Writer } from '../store/store.ts'

/**
 * Takes what the node may speak of and returns it, with how many packets its decisions stopped since it said so last; the
 * rest is left out, since a node that lies must not say for others.
 * Refusals and failures go into the journal too: they are what somebody will ask about. The other words are kept for sinks
 * that want them.
 */
export function acknowledge(
  store: Store,
  node: string,
  receipts: readonly Receipt[],
  now: number,
  keepsWords: boolean,
): Promise<{ taken: Receipt[]; stopped: number }> {
  return store.note(async (tx) => {
    const taken = await ofThisNode(tx, node, receipts)
    const applied = taken.filter(({ status }) => status === 'applied')
    const unwell = taken.filter(({ status }) => status === 'refused' || status === 'failed')
    await putReceipts(tx, node, taken)
    if (keepsWords)
      await putReceiptWords(
        tx,
        node,
        taken.filter((receipt) => !unwell.includes(receipt)),
        now,
      )
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
    const hits = taken.flatMap(({ decision, hits }) => (hits ? [{ decision, ...hits }] : []))
    return { taken, stopped: await takeHits(tx, node, hits, now) }
  })
}

/** About decisions that are for the node, or were before it changed its groups: of those it still says that they ended. */
async function ofThisNode<Said extends { decision: string }>(
  tx: Writer,
  node: string,
  receipts: readonly Said[],
): Promise<Said[]> {
  if (receipts.length === 0) return []
  const ids = [...new Set(receipts.map(({ decision }) => decision))]
  const known = await findNodeIdentity(tx, node)
  const own = new Set(audiencesOf(node, known?.groups ?? []))
  const audiences = await audiencesById(tx, ids)
  const mine = new Set(ids.filter((id) => audiences.get(id)?.some((name) => own.has(name))))
  const others = ids.filter((id) => !mine.has(id))
  for (const id of await answeredBefore(tx, node, others)) mine.add(id)
  return receipts.filter(({ decision }) => mine.has(decision))
}

/**
 * What the node did of its own accord (healing, resynchronising) is journalled, and that it will not or cannot enforce a list.
 * Returns how many packets its decisions stopped since the last one.
 */
export async function takeHeartbeat(
  store: Store,
  node: string,
  heartbeat: Heartbeat,
  now: number,
): Promise<number> {
  return store.note(async (tx) => {
    const unwell = [
      ...(await unwellFeeds(tx, node, heartbeat, now)),
      ...(await unwellPostures(tx, node, heartbeat, now)),
    ]
    await putHeartbeat(tx, node, heartbeat, now)
    await appendJournal(tx, [
      ...unwell,
      ...heartbeat.events.map((event) => ({
        at: now,
        actor: `node/${node}`,
        action: `node.${event.kind}`,
        subject: node,
        after: { at: event.at, detail: event.detail },
      })),
    ])
    return takeHits(tx, node, await ofThisNode(tx, node, heartbeat.hits ?? []), now)
  })
}

/**
 * A node that says less than before began to count anew; but a word that comes late, as a receipt may that waited while
 * heartbeats went, is about packets that were counted already. One that says it was later than now has a wrong clock.
 */
async function takeHits(
  tx: Writer,
  node: string,
  said: readonly DecisionHits[],
  now: number,
): Promise<number> {
  if (said.length === 0) return 0
  const once = mostOfEach(said)
  const before = await hitsBefore(tx, node, [...once.keys()])
  const taken = [...once.values()]
    .map((one) => ({ ...one, last: Math.min(one.last, now) }))
    .filter(({ decision, packets, last }) => {
      const known = before.get(decision)
      return known === undefined || packets >= known.packets || last >= known.last
    })
  if (taken.length === 0) return 0
  await putHits(tx, node, taken)
  return taken.reduce((sum, { decision, packets }) => {
    const known = before.get(decision)?.packets ?? 0
    return sum + (packets >= known ? packets - known : packets)
  }, 0)
}

/** What a node got through several audiences it counts for each of them, and it is the same packets. */
function mostOfEach(said: readonly DecisionHits[]): ReadonlyMap<string, DecisionHits> {
  const once = new Map<string, DecisionHits>()
  for (const one of said)
    if (one.packets > (once.get(one.decision)?.packets ?? 0)) once.set(one.decision, one)
  return once
}

/** Once for each version of a list, however often it is said. */
async function unwellFeeds(
  tx: Writer,
  node: string,
  { feeds = [] }: Heartbeat,
  at: number,
): Promise<JournalEntry[]> {
  const unwell = feeds.filter(({ status }) => status === 'refused' || status === 'failed')
  if (unwell.length === 0) return []
  const said = new Set((await findNode(tx, node))?.heartbeat?.feeds?.map(sameWord))
  return unwell
    .filter((one) => !said.has(sameWord(one)))
    .map(({ audience, feed, version, status, code, detail }) => ({
      at,
      actor: `node/${node}`,
      action: `feed.${status}`,
      subject: feed,
      after: { audience, version, code, detail },
    }))
}

/** Once for each version of an audience's standing rules. */
async function unwellPostures(
  tx: Writer,
  node: string,
  { postures = [] }: Heartbeat,
  at: number,
): Promise<JournalEntry[]> {
  const unwell = postures.filter(({ code }) => code !== undefined)
  if (unwell.length === 0) return []
  const said = new Set((await findNode(tx, node))?.heartbeat?.postures?.map(samePosture))
  return unwell
    .filter((one) => !said.has(samePosture(one)))
    .map(({ audience, version, status, code, detail }) => ({
      at,
      actor: `node/${node}`,
      action: `posture.${status}`,
      subject: node,
      after: { audience, version, code, detail },
    }))
}

function samePosture({ audience, version, status }: PostureReceipt): string {
  return [audience, version, status].join(' ')
}

function sameWord({ audience, feed, version, status }: FeedReceipt): string {
  return [audience, feed, version, status].join(' ')
}
