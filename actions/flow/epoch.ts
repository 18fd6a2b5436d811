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
  const { before, epoch } = await store.write(async (tx) => {
    const before = await readEpoch(tx)
    if (!(await isLost(tx, statement, before))) return { before, epoch: before }
    const epoch = Math.max(before, statement.epoch) + 1
    await begin(tx, epoch, { at: now, actor: `node/${node}`, before, why: statement })
    return { before, epoch }
  })
  if (epoch !== before) tellListeners(hub, epoch)
  return epoch
}

/** For the administrator who moved or restored the store and does not want to wait for a node to notice. */
export async function newEpoch(
  store: Store,
  hub: Hub,
  actor: string,
  now: number,
): Promise<number> {
  const epoch = await store.write(async (tx) => {
    const before = await readEpoch(tx)
    await begin(tx, before + 1, { at: now, actor, before, why: 'asked for' })
    return before + 1
  })
  tellListeners(hub, epoch)
  return epoch
}

async function begin(
  tx: Writer,
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
}

/** Only after the commit: an epoch that a full disk took back must not have been heard of. */
function tellListeners(hub: Hub, epoch: number): void {
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
  try {
    const decoded = jwt.decode(jws, { complete: true })
    const key = keys.published().find((known) => known.kid === decoded?.header.kid)
    if (!decoded || !key) throw new Error('it names no key of this service')
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
    throw untrusted(error)
  }
}

function untrusted(cause: unknown): Problem {
  return new Problem('invalid_input', 'this is no statement of this service', {
    remedy:
      'when the service was put back to before its newest signing key, order "cordon epoch begin"',
    cause,
  })
}
