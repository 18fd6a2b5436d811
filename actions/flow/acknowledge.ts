/** Receipts and heartbeats of the nodes into the store: the only arrow back. */
import { audiencesOf } from '#contract/audience.ts'
import type { PostureReceipt } from '#contract/posture.ts'
import type { DecisionHits, FeedReceipt, Heartbeat, Receipt } from '#contract/receipt.ts'
import { alikeById, type DecisionState } from '../store/decisions.ts'
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
    const states = await statesOfOwn(tx, node, receipts)
    const taken = receipts.filter(({ decision }) => states.has(decision))
    const confirmed = taken.filter(
      ({ status, decision }) => status === 'applied' && states.get(decision) === 'issued',
    )
    const unwell = taken.filter(isUnwell)
    await putReceipts(tx, node, taken)
    if (keepsWords)
      await putReceiptWords(
        tx,
        node,
        taken.filter((receipt) => !isUnwell(receipt)),
        now,
      )
    await markApplied(
      tx,
      confirmed.map(({ decision }) => decision),
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

function isUnwell({ status }: Receipt): boolean {
  return status === 'refused' || status === 'failed'
}

/**
 * How far those decisions are that the node may speak of: that are for it, or were before it changed its groups; of those it
 * still says that they ended.
 */
async function statesOfOwn(
  tx: Writer,
  node: string,
  said: readonly { decision: string }[],
): Promise<Map<string, DecisionState>> {
  const states = new Map<string, DecisionState>()
  if (said.length === 0) return states
  const ids = [...new Set(said.map(({ decision }) => decision))]
  const identity = await findNodeIdentity(tx, node)
  const own = new Set(audiencesOf(node, identity?.groups ?? []))
  const others = new Map<string, DecisionState>()
  for (const { ids: alike, state, audience } of await alikeById(tx, ids)) {
    const found = audience.some((name) => own.has(name)) ? states : others
    for (const id of alike) found.set(id, state)
  }
  const answered = new Set(await answeredBefore(tx, node, [...others.keys()]))
  for (const [id, state] of others) if (answered.has(id)) states.set(id, state)
  return states
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
    const hits = heartbeat.hits ?? []
    const own = await statesOfOwn(tx, node, hits)
    const said = hits.filter(({ decision }) => own.has(decision))
    return takeHits(tx, node, said, now)
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
