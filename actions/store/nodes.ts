/** Nodes and the one-time secrets by which they enrol. */
import type { Selectable } from 'kysely'
import { type PublicKey, PublicKey as PublicKeySchema } from '#contract/key.ts'
import { type Heartbeat, Heartbeat as HeartbeatSchema } from '#contract/receipt.ts'
import { prepared, type Slots } from './prepared.ts'
import type { Reader, Writer } from './store.ts'
import type { Tables } from './tables.ts'

export type Node = {
  name: string
  groups: string[]
  key: PublicKey
  enrolled: number
  revoked: number | null
  lastSeen: number | null
  heartbeat: Heartbeat | null
}

export async function listNodes(db: Reader | Writer): Promise<Node[]> {
  return (await db.selectFrom('nodes').selectAll().orderBy('name').execute()).map(fromRow)
}

export async function findNode(db: Reader | Writer, name: string): Promise<Node | undefined> {
  const row = await db.selectFrom('nodes').selectAll().where('name', '=', name).executeTakeFirst()
  return row && fromRow(row)
}

/** What each request of a node needs; the key is left as text, since it is mostly known already. */
export type NodeIdentity = Pick<Node, 'name' | 'groups' | 'revoked'> & { keyText: string }

export async function findNodeIdentity(
  db: Reader | Writer,
  name: string,
): Promise<NodeIdentity | undefined> {
  const [row] = await selectIdentity(db, { name })
  if (!row) return undefined
  const groups = JSON.parse(row.groups) as string[]
  return { name: row.name, groups, revoked: row.revoked, keyText: row.key }
}

const selectIdentity = prepared((db, { name }: Slots<{ name: string }>) =>
  db.selectFrom('nodes').select(['name', 'groups', 'revoked', 'key']).where('name', '=', name),
)

/** Throws a ZodError for text that putNode did not write. */
export function readNodeKey(keyText: string): PublicKey {
  return PublicKeySchema.parse(JSON.parse(keyText))
}

/** A name that was revoked may enrol again with a new key. */
export async function putNode(
  tx: Writer,
  node: Pick<Node, 'name' | 'groups' | 'key' | 'enrolled'>,
): Promise<void> {
  const row = {
    groups: JSON.stringify(node.groups),
    key: JSON.stringify(node.key),
    enrolled: node.enrolled,
    revoked: null,
    last_seen: null,
    heartbeat: null,
  }
  await tx
    .insertInto('nodes')
    .values({ name: node.name, ...row })
    .onConflict((conflict) => conflict.column('name').doUpdateSet(row))
    .execute()
}

export async function setRevoked(tx: Writer, name: string, at: number): Promise<void> {
  await tx.updateTable('nodes').set({ revoked: at }).where('name', '=', name).execute()
}

export async function setGroups(
  tx: Writer,
  name: string,
  groups: readonly string[],
): Promise<void> {
  await tx
    .updateTable('nodes')
    .set({ groups: JSON.stringify(groups) })
    .where('name', '=', name)
    .execute()
}

export async function putHeartbeat(
  tx: Writer,
  name: string,
  heartbeat: Heartbeat,
  at: number,
): Promise<void> {
  await tx
    .updateTable('nodes')
    .set({ heartbeat: JSON.stringify(heartbeat), last_seen: at })
    .where('name', '=', name)
    .execute()
}

export type Enrolment = Selectable<Tables['enrolments']>

export async function putEnrolment(tx: Writer, enrolment: Enrolment): Promise<void> {
  await tx.insertInto('enrolments').values(enrolment).execute()
}

export async function findEnrolment(
  tx: Writer,
  secretHash: string,
): Promise<Enrolment | undefined> {
  return tx.selectFrom('enrolments').selectAll().where('secret', '=', secretHash).executeTakeFirst()
}

export async function useEnrolment(
  tx: Writer,
  secretHash: string,
  node: string,
  at: number,
): Promise<void> {
  await tx
    .updateTable('enrolments')
    .set({ used: at, node })
    .where('secret', '=', secretHash)
    .execute()
}

function fromRow(row: Selectable<Tables['nodes']>): Node {
  return {
    name: row.name,
    groups: JSON.parse(row.groups) as string[],
    key: readNodeKey(row.key),
    enrolled: row.enrolled,
    revoked: row.revoked,
    lastSeen: row.last_seen,
    heartbeat: row.heartbeat === null ? null : HeartbeatSchema.parse(JSON.parse(row.heartbeat)),
  }
}
