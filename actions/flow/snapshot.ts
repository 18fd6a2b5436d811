/** The signed whole state of an audience: a manifest for one node's nonce, and chunks that all nodes share. */
import { tokenType } from '#contract/envelope.ts'
import { Problem } from '#contract/problem.ts'
import { chunkDigest, type SnapshotClaims } from '#contract/snapshot.ts'
import { claimPages, type Head, readHead } from '../store/outbox.ts'
import type { Store } from '../store/store.ts'
import { openTurns } from './in-turn.ts'
import type { SigningKeys } from './keys.ts'
import { sign } from './sign.ts'

/** Chunks are kept this long for the nodes that were promised them. */
const keptMs = 60_000

/** A manifest may be applied for as long as its chunks can be fetched. */
const lifeSeconds = 120

type Chunk = Uint8Array<ArrayBuffer>
type State = { head: Head; blocks: number; digests: string[]; made: number }

export type SnapshotParts = { store: Store; keys: SigningKeys; now(): number }

export type Snapshots = {
  /** Compact JWS of SnapshotClaims. A thousand nodes that ask at once cost one reading of the store. */
  manifest(audience: string, nonce: string): Promise<string>
  /** Throws `not_found` when the chunk was let go: the node asks for a new manifest. */
  chunk(digest: string): Chunk
  /** Begins to make what a node that was just enrolled is about to ask for. */
  foresee(audiences: readonly string[]): void
  /** What nobody may come for any more; a state of a million blocks is 90 MB. */
  letGo(): void
}

export function openSnapshots({ store, keys, now }: SnapshotParts): Snapshots {
  const states = new Map<string, State>()
  const kept = new Map<string, { chunk: Chunk; until: number }>()

  const letGo = (): void => {
    const at = now()
    for (const [digest, { until }] of kept) if (until < at) kept.delete(digest)
    for (const [audience, state] of states)
      if (state.made + keptMs / 2 < at) states.delete(audience)
  }
  /** Its chunks are kept from when it is whole: however long it took, nobody is promised what was let go meanwhile. */
  const build = (audience: string): Promise<State> =>
    store.view(async (db) => {
      const head = await readHead(db, audience)
      const chunks = new Map<string, Chunk>()
      let blocks = 0
      for await (const { chunk, count } of claimPages(db, audience, now())) {
        chunks.set(chunkDigest(chunk), chunk)
        blocks += count
      }
      const made = now()
      for (const [digest, chunk] of chunks) kept.set(digest, { chunk, until: made + keptMs })
      const state = { head, blocks, digests: [...chunks.keys()], made }
      states.set(audience, state)
      return state
    })
  /** A state in which all is that was committed before it was asked for: a node may have been told of that already. */
  const stateOf = async (audience: string): Promise<State> => {
    const known = states.get(audience)
    if (!known) return build(audience)
    const { epoch, hash } = await readHead(store.read, audience)
    return known.head.hash === hash && known.head.epoch === epoch ? known : build(audience)
  }
  const asked = new Map<string, Promise<State>>()
  const inTurn = openTurns()
  /** All who ask for an audience before its turn has begun share it. */
  const latest = (audience: string): Promise<State> => {
    const waiting = asked.get(audience)
    if (waiting) return waiting
    const state = inTurn(() => {
      asked.delete(audience)
      return stateOf(audience)
    })
    asked.set(audience, state)
    return state
  }

  return {
    letGo,
    foresee: (audiences) => {
      // Why one cannot be made is told to the node that asks for it.
      for (const audience of audiences) latest(audience).catch(() => {})
    },
    manifest: async (audience, nonce) => {
      letGo()
      const { head, blocks, digests } = await latest(audience)
      const signed = now()
      for (const digest of digests) {
        const promised = kept.get(digest)
        if (promised) promised.until = signed + keptMs
      }
      const iat = Math.floor(signed / 1_000)
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
    chunk: (digest) => {
      letGo()
      const found = kept.get(digest)
      if (found) return found.chunk
      throw new Problem('not_found', 'this chunk is no longer kept', {
        remedy: 'ask for a new snapshot: GET /v1/snapshot',
      })
    },
  }
}
