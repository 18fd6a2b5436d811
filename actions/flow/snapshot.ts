/** The signed whole state of an audience: a manifest for one node's nonce, and chunks that all nodes share. */
import { tokenType } from '#contract/envelope.ts'
import { Problem } from '#contract/problem.ts'
import { chunkDigest, chunkSize, printChunk, type SnapshotClaims } from '#contract/snapshot.ts'
import { claimsOf, type Head, readHead } from '../store/outbox.ts'
import type { Store } from '../store/store.ts'
import type { SigningKeys } from './keys.ts'
import { sign } from './sign.ts'

/** Chunks are kept this long for the nodes that were promised them. */
const keptMs = 60_000

/** A manifest may be applied for as long as its chunks can be fetched. */
const lifeSeconds = 120

type State = { head: Head; blocks: number; digests: string[]; made: number }

export type Snapshots = {
  /** Compact JWS of SnapshotClaims. A thousand nodes that ask at once cost one reading of the store. */
  manifest(audience: string, nonce: string, now: number): Promise<string>
  /** Throws `not_found` when the chunk was let go: the node asks for a new manifest. */
  chunk(digest: string, now: number): string
}

export function openSnapshots(store: Store, keys: SigningKeys): Snapshots {
  const states = new Map<string, State>()
  const chunks = new Map<string, { text: string; until: number }>()

  const letGo = (now: number): void => {
    for (const [digest, { until }] of chunks) if (until < now) chunks.delete(digest)
    for (const [audience, state] of states)
      if (state.made + keptMs / 2 < now) states.delete(audience)
  }
  const build = (audience: string, now: number): Promise<State> =>
    store.write(async (tx) => {
      const head = await readHead(tx, audience)
      const known = states.get(audience)
      if (known && known.head.hash === head.hash && known.head.epoch === head.epoch) return known
      const claims = await claimsOf(tx, audience, now)
      const digests: string[] = []
      for (let i = 0; i < claims.length; i += chunkSize) {
        const text = printChunk(claims.slice(i, i + chunkSize))
        const digest = chunkDigest(text)
        chunks.set(digest, { text, until: now + keptMs })
        digests.push(digest)
      }
      const state = { head, blocks: claims.length, digests, made: now }
      states.set(audience, state)
      return state
    })

  return {
    manifest: async (audience, nonce, now) => {
      letGo(now)
      const { head, blocks, digests } = await build(audience, now)
      for (const digest of digests) {
        const chunk = chunks.get(digest)
        if (chunk) chunk.until = now + keptMs
      }
      const iat = Math.floor(now / 1_000)
      const claims: SnapshotClaims = {
        iss: keys.issuer,
        aud: audience,
        iat,
        exp: iat + lifeSeconds,
        epoch: head.epoch,
        seq: head.seq,
        head: head.hash,
        nonce,
        blocks,
        chunks: digests,
      }
      return sign(keys.current(), tokenType.snapshot, claims)
    },
    chunk: (digest, now) => {
      letGo(now)
      const chunk = chunks.get(digest)
      if (chunk) return chunk.text
      throw new Problem('not_found', 'this chunk is no longer kept', {
        remedy: 'ask for a new snapshot: GET /v1/snapshot',
      })
    },
  }
}
