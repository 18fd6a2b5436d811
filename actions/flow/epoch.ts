/** A new epoch: how a fleet and a service that lost its newest past (an older backup) find together again. */

import jwt from 'jsonwebtoken'
import {
  algorithm,
  EnvelopeClaims,
  envelopeHash,
  noPrevious,
  tokenType,
} from '#contract/envelope.ts'
import { toKeyObject } from '#contract/key.ts'
import { Problem } from '#contract/problem.ts'
import { SnapshotClaims } from '#contract/snapshot.ts'
import { appendJournal } from '../store/journal.ts'
import { beginEpoch, findEnvelope, readEpoch, readHead } from '../store/outbox.ts'
import type { Store, Writer } from '../store/store.ts'
import type { Hub } from './hub.ts'
import type { SigningKeys } from './keys.ts'

type Statement = { audience: string; epoch: number; seq: number; hash: string }

/**
 * A node shows the newest statement that it has from us. Our own signature on a place that our store never reached
 * proves that the store is older than the fleet; nothing a node could make up does. Returns the epoch in force.
 */
export async function considerProof(
  store: Store,
  hub: Hub,
  keys: SigningKeys,
  node: string,
  jws: string,
  now: number,
): Promise<number> {
  const statement = readStatement(keys, jws)
  return store.write(async (tx) => {
    const epoch = await readEpoch(tx)
    if (!(await isLost(tx, statement, epoch))) return epoch
    const next = Math.max(epoch, statement.epoch) + 1
    await begin(tx, hub, next, { at: now, actor: `node/${node}`, before: epoch, why: statement })
    return next
  })
}

/** For the administrator who moved or restored the store and does not want to wait for a node to notice. */
export function newEpoch(store: Store, hub: Hub, actor: string, now: number): Promise<number> {
  return store.write(async (tx) => {
    const epoch = await readEpoch(tx)
    await begin(tx, hub, epoch + 1, { at: now, actor, before: epoch, why: 'asked for' })
    return epoch + 1
  })
}

async function begin(
  tx: Writer,
  hub: Hub,
  epoch: number,
  entry: { at: number; actor: string; before: number; why: unknown },
): Promise<void> {
  await beginEpoch(tx, epoch)
  await appendJournal(tx, [
    {
      at: entry.at,
      actor: entry.actor,
      action: 'epoch.begin',
      subject: 'service',
      before: { epoch: entry.before },
      after: { epoch, why: entry.why },
    },
  ])
  for (const audience of hub.audiences()) hub.restart({ audience, epoch, seq: 0, hash: noPrevious })
}

async function isLost(tx: Writer, statement: Statement, epoch: number): Promise<boolean> {
  if (statement.epoch !== epoch) return statement.epoch > epoch
  const head = await readHead(tx, statement.audience)
  if (statement.seq > head.seq) return true
  const known = await findEnvelope(tx, statement)
  return known !== undefined && known.hash !== statement.hash
}

function readStatement(keys: SigningKeys, jws: string): Statement {
  const decoded = jwt.decode(jws, { complete: true })
  const key = keys.published().find((known) => known.kid === decoded?.header.kid)
  if (!decoded || !key) throw untrusted('it names no key of this service')
  try {
    const payload = jwt.verify(jws, toKeyObject(key), {
      algorithms: [algorithm],
      issuer: keys.issuer,
      ignoreExpiration: true,
    })
    if (decoded.header.typ === tokenType.actions) {
      const { aud, epoch, seq } = EnvelopeClaims.parse(payload)
      return { audience: aud, epoch, seq, hash: envelopeHash(jws) }
    }
    if (decoded.header.typ !== tokenType.snapshot) throw new Error(`it is a ${decoded.header.typ}`)
    const { aud, epoch, seq, head } = SnapshotClaims.parse(payload)
    return { audience: aud, epoch, seq, hash: head }
  } catch (error) {
    throw untrusted('its signature or form is wrong', error)
  }
}

function untrusted(why: string, cause?: unknown): Problem {
  return new Problem('invalid_input', `this is no statement of this service: ${why}`, {
    remedy: 'send the last envelope or snapshot manifest exactly as it was received',
    cause,
  })
}
