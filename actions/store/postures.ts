/** The standing rules of each audience as they were last signed, and the networks that they name by digest. */
import { z } from 'zod'
import { Audience } from '#contract/audience.ts'
import { Posture } from '#contract/posture.ts'
import type { Reader, Writer } from './store.ts'

const StoredPosture = z.object({
  audience: Audience,
  version: z.int(),
  confirm: z.int(),
  /** Null for an audience that has none any more: its nodes must still hear that. */
  posture: Posture.nullable(),
  /** Epoch ms. */
  applied: z.int(),
  actor: z.string(),
})
export type StoredPosture = z.infer<typeof StoredPosture>

const prefix = 'posture '
const chunkPrefix = 'posture-chunk '

export async function readPostures(db: Reader): Promise<StoredPosture[]> {
  const rows = await db
    .selectFrom('facts')
    .select('value')
    .where('name', '>=', prefix)
    .where('name', '<', 'posture!')
    .orderBy('name')
    .execute()
  return rows.map(({ value }) => StoredPosture.parse(JSON.parse(value)))
}

export async function putPosture(tx: Writer, posture: StoredPosture): Promise<void> {
  await put(tx, `${prefix}${posture.audience}`, JSON.stringify(posture))
}

/** Kept with what names them: the database that they came from changes. */
export async function putPostureChunk(tx: Writer, digest: string, text: string): Promise<void> {
  await put(tx, `${chunkPrefix}${digest}`, text)
}

export async function readPostureChunk(db: Reader, digest: string): Promise<string | undefined> {
  const row = await db
    .selectFrom('facts')
    .select('value')
    .where('name', '=', `${chunkPrefix}${digest}`)
    .executeTakeFirst()
  return row?.value
}

/** All but these go. */
export async function prunePostureChunks(tx: Writer, needed: ReadonlySet<string>): Promise<void> {
  const rows = await tx
    .selectFrom('facts')
    .select('name')
    .where('name', '>=', chunkPrefix)
    .where('name', '<', 'posture-chunk!')
    .execute()
  for (const { name } of rows)
    if (!needed.has(name.slice(chunkPrefix.length)))
      await tx.deleteFrom('facts').where('name', '=', name).execute()
}

async function put(tx: Writer, name: string, value: string): Promise<void> {
  await tx
    .insertInto('facts')
    .values({ name, value })
    .onConflict((conflict) => conflict.column('name').doUpdateSet({ value }))
    .execute()
}
