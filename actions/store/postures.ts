/** The standing rules of each audience as they were last signed, and the networks that they name by digest. */
import { z } from 'zod'
import { Audience } from '#contract/audience.ts'
import { Posture } from '#contract/posture.ts'
import { factsOf, pruneFacts, putFactOf, readFactOf } from './facts.ts'
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

const kind = 'posture'
const chunkKind = 'posture-chunk'

export async function readPostures(db: Reader): Promise<StoredPosture[]> {
  return (await factsOf(db, kind)).map((value) => StoredPosture.parse(JSON.parse(value)))
}

export function putPosture(tx: Writer, posture: StoredPosture): Promise<void> {
  return putFactOf(tx, kind, posture.audience, JSON.stringify(posture))
}

/** Kept with what names them: the database that they came from changes. */
export function putPostureChunk(tx: Writer, digest: string, text: string): Promise<void> {
  return putFactOf(tx, chunkKind, digest, text)
}

export function readPostureChunk(db: Reader, digest: string): Promise<string | undefined> {
  return readFactOf(db, chunkKind, digest)
}

/** All but these go. */
export function prunePostureChunks(tx: Writer, needed: ReadonlySet<string>): Promise<void> {
  return pruneFacts(tx, chunkKind, needed)
}
