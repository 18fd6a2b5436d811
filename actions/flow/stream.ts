/** One node's stream: what it missed from the store, then what comes, or the word to ask for the whole state. */
import { audiencesOf, type Cursor, type Position } from '#contract/audience.ts'
import { findNode, type Node } from '../store/nodes.ts'
import { type Envelope, envelopesAfter, findEnvelope, readHead } from '../store/outbox.ts'
import type { Reader, Store } from '../store/store.ts'
import { envelopeFrame, eventFrame, type Hub, type Listener } from './hub.ts'

/** A node that missed more takes a snapshot: that is cheaper for both. */
const maxCatchUp = 2_000

/** Why a node must ask for the whole state of an audience before its stream can go on. */
export type ResyncReason = 'unknown' | 'ahead' | 'fork' | 'epoch' | 'pruned'

export type Connection = { write(frame: string): number; end(): void }

/** Joins the hub and writes what was missed. Returns the way to leave. Throws what the store says. */
export async function openStream(
  store: Store,
  hub: Hub,
  node: Pick<Node, 'name' | 'groups'>,
  from: Cursor,
  connection: Connection,
  now: number,
): Promise<() => void> {
  const audiences = audiencesOf(node.name, node.groups)
  const listener: Listener = { node: node.name, cursor: new Map(), ...connection }
  connection.write(eventFrame('hello', { node: node.name, groups: node.groups, time: now }))
  try {
    for (const audience of audiences) await join(store, hub, listener, audience, from.get(audience))
    await dropIfChanged(store, hub, node)
  } catch (error) {
    hub.leave(listener)
    throw error
  }
  return () => hub.leave(listener)
}

/** Revoked or regrouped while it was joining: the order to drop it found nobody then. */
async function dropIfChanged(
  store: Store,
  hub: Hub,
  node: Pick<Node, 'name' | 'groups'>,
): Promise<void> {
  const known = await findNode(store.read, node.name)
  if (!known || known.revoked !== null) hub.drop(node.name)
  else if (known.groups.join() !== node.groups.join())
    hub.drop(node.name, eventFrame('groups', { groups: known.groups }))
}

/**
 * What was missed is read in a turn of the write queue. It is told, and the room joined, only after the commit: other jobs
 * share it, and what they wrote may yet be taken back. Who writes next publishes later, so no envelope falls between.
 */
async function join(
  store: Store,
  hub: Hub,
  listener: Listener,
  audience: string,
  from: Position | undefined,
): Promise<void> {
  const { missed, head } = await store.write(async (tx) => ({
    missed: await missedBy(tx, audience, from),
    head: await readHead(tx, audience),
  }))
  listener.cursor.set(audience, typeof missed === 'string' || !from ? head : from)
  hub.join(listener, [audience])
  if (typeof missed === 'string') {
    listener.write(eventFrame('resync', { audience, reason: missed }))
    return
  }
  for (const envelope of missed) {
    listener.cursor.set(audience, envelope)
    listener.write(envelopeFrame(envelope, listener.cursor))
  }
}

/** The envelopes after a position, or why there is no way from there. */
async function missedBy(
  db: Reader,
  audience: string,
  from: Position | undefined,
): Promise<Envelope[] | ResyncReason> {
  if (!from) return 'unknown'
  const head = await readHead(db, audience)
  if (from.epoch !== head.epoch) return from.epoch > head.epoch ? 'ahead' : 'epoch'
  if (from.seq > head.seq) return 'ahead'
  if (from.seq === head.seq) return from.hash === head.hash ? [] : 'fork'
  const missed = await envelopesAfter(
    db,
    { audience, epoch: from.epoch, seq: from.seq },
    maxCatchUp + 1,
  )
  if (missed.length > maxCatchUp || missed[0]?.seq !== from.seq + 1) return 'pruned'
  return (await follows(db, audience, from)) ? missed : 'fork'
}

async function follows(db: Reader, audience: string, from: Position): Promise<boolean> {
  if (from.seq === 0) return from.hash === ''
  const known = await findEnvelope(db, { audience, epoch: from.epoch, seq: from.seq })
  return known === undefined || known.hash === from.hash
}
