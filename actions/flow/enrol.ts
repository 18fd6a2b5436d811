/** Enrolment of nodes by a one-time token, and what ends it. */
import { type EnrolmentRequest, printEnrolmentToken } from '#contract/enrolment.ts'
import { type PublicKey, thumbprint, toKeyObject } from '#contract/key.ts'
import { Problem } from '#contract/problem.ts'
import { dropHits } from '../store/hits.ts'
import { appendJournal } from '../store/journal.ts'
import {
  findEnrolment,
  findNode,
  type Node,
  putEnrolment,
  putNode,
  setGroups,
  setRevoked,
  useEnrolment,
} from '../store/nodes.ts'
import { dropReceipts } from '../store/receipts.ts'
import type { Store } from '../store/store.ts'
import { eventFrame, type Hub } from './hub.ts'
import type { SigningKeys } from './keys.ts'
import { hashSecret, makeSecret, type Randomness } from './secret.ts'

export type EnrolParts = {
  store: Store
  hub: Hub
  keys: SigningKeys
  now(): number
  random: Randomness
  /** Where nodes reach this service, and the hex SHA-256 of its TLS key, when it has one. */
  reachable(): { url: string; tls: string | undefined }
}

/** A token for one node. It is the only secret that ever travels to a node, once, by the hand of a person. */
export async function inviteNode(
  parts: EnrolParts,
  wanted: { groups: string[]; lifeMs: number },
  actor: string,
): Promise<{ token: string; expires: number }> {
  const now = parts.now()
  const expires = now + wanted.lifeMs
  const secret = makeSecret(parts.random)
  const record = {
    secret: hashSecret(secret),
    groups: JSON.stringify(wanted.groups),
    created: now,
    expires,
  }
  await parts.store.write(async (tx) => {
    await putEnrolment(tx, { ...record, used: null, node: null })
    await appendJournal(tx, [
      {
        at: now,
        actor,
        action: 'node.invite',
        subject: 'node',
        after: { groups: wanted.groups, expires },
      },
    ])
  })
  const { url, tls } = parts.reachable()
  const key = thumbprint(parts.keys.current().publicKey)
  const token = printEnrolmentToken({
    url,
    issuer: parts.keys.issuer,
    key,
    ...(tls !== undefined && { tls }),
    secret,
    exp: Math.floor(expires / 1_000),
  })
  return { token, expires }
}

/** The node's groups come from the token, never from the node. Throws `invalid_input`, `unauthenticated`, `token_*`, `conflict`. */
export async function enrolNode(parts: EnrolParts, request: EnrolmentRequest): Promise<Node> {
  const now = parts.now()
  refuseNoKey(request.key)
  return parts.store.write(async (tx) => {
    const hash = hashSecret(request.secret)
    const enrolment = await findEnrolment(tx, hash)
    if (!enrolment) throw refused('unauthenticated', 'this enrolment token is not known here')
    if (enrolment.used !== null)
      throw refused('token_used', `this token was used by ${enrolment.node}`)
    if (enrolment.expires <= now) throw refused('token_expired', 'this enrolment token has ended')
    const known = await findNode(tx, request.name)
    if (known && known.revoked === null)
      throw new Problem('conflict', `there is a node ${request.name} already`, {
        remedy: `give this node another name with --name, or revoke the old one: cordon node revoke ${request.name}`,
      })
    const node = {
      name: request.name,
      groups: JSON.parse(enrolment.groups) as string[],
      key: request.key,
      enrolled: now,
    }
    if (known) await dropReceipts(tx, request.name)
    if (known) await dropHits(tx, request.name)
    await putNode(tx, node)
    await useEnrolment(tx, hash, request.name, now)
    const after = { groups: node.groups, key: thumbprint(request.key) }
    await appendJournal(tx, [
      { at: now, actor: `node/${node.name}`, action: 'node.enrol', subject: node.name, after },
    ])
    return { ...node, revoked: null, lastSeen: null, heartbeat: null }
  })
}

/** From now on its requests are refused and its stream is cut; what it enforces ends by its own time. */
export async function revokeNode(parts: EnrolParts, name: string, actor: string): Promise<void> {
  const now = parts.now()
  await parts.store.write(async (tx) => {
    await existing(await findNode(tx, name), name)
    await setRevoked(tx, name, now)
    await appendJournal(tx, [{ at: now, actor, action: 'node.revoke', subject: name }])
  })
  parts.hub.drop(name)
}

/** The node's stream ends, and it comes back with the audiences of its new groups. */
export async function regroupNode(
  parts: EnrolParts,
  name: string,
  groups: string[],
  actor: string,
): Promise<void> {
  const now = parts.now()
  await parts.store.write(async (tx) => {
    const node = existing(await findNode(tx, name), name)
    await setGroups(tx, name, groups)
    const line = { at: now, actor, action: 'node.regroup', subject: name }
    await appendJournal(tx, [{ ...line, before: { groups: node.groups }, after: { groups } }])
  })
  parts.hub.drop(name, eventFrame('groups', { groups }))
}

/** A point beside the curve has the form of a key, and would fail at the node's first request. */
function refuseNoKey(key: PublicKey): void {
  try {
    toKeyObject(key)
  } catch (error) {
    throw new Problem('invalid_input', 'the public key of this node is none', {
      remedy: 'remove the key in the state directory of the agent; it makes a new one',
      cause: error,
    })
  }
}

function existing(node: Node | undefined, name: string): Node {
  if (node) return node
  throw new Problem('not_found', `there is no node ${name}`, { remedy: 'see "cordon node list"' })
}

function refused(
  code: 'unauthenticated' | 'token_used' | 'token_expired',
  message: string,
): Problem {
  return new Problem(code, message, { remedy: 'make a new one with "cordon node enrol"' })
}
