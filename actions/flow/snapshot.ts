/** The signed whole state of an audience: a manifest for one node's nonce, and chunks that all nodes share. */
import type { StandingAction } from '#contract/action.ts'
import { tokenType } from '#contract/envelope.ts'
import { Problem } from '#contract/problem.ts'
import { chunkDigest, chunkSize, printChunk, type SnapshotClaims } from '#contract/snapshot.ts'
import { claimPages, type Head, readHead } from '../store/outbox.ts'
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
  /** What nobody may come for any more; a state of a million blocks is 90 MB. */
  letGo(now: number): void
}

export function openSnapshots(store: Store, keys: SigningKeys): Snapshots {
  const states = new Map<string, State>()
  const chunks = new Map<string, { text: string; until: number }>()

  const letGo = (now: number): void => {
    for (const [digest, { until }] of chunks) if (until < now) chunks.delete(digest)
    for (const [audience, state] of states)
      if (state.made + keptMs / 2 < now) states.delete(audience)
  }
  const keep = (orders: readonly StandingAction[], until: number): string => {
    const text = printChunk(orders)
    const digest = chunkDigest(text)
    chunks.set(digest, { text, until })
    return digest
  }
  const build = (audience: string, now: number): Promise<State> =>
    store.view(async (db) => {
      const head = await readHead(db, audience)
      const digests: string[] = []
      let blocks = 0
      for await (const chunk of inChunks(claimPages(db, audience, now))) {
        digests.push(keep(chunk, now + keptMs))
        blocks += chunk.length
      }
      const state = { head, blocks, digests, made: now }
      states.set(audience, state)
      return state
    })
  /** A state in which all is that was committed before it was asked for: a node may have been told of that already. */
  const stateOf = async (audience: string, now: number): Promise<State> => {
    const known = states.get(audience)
    if (!known) return build(audience, now)
    const { epoch, hash } = await readHead(store.read, audience)
    return known.head.hash === hash && known.head.epoch === epoch ? known : build(audience, now)
  }
  const asked = new Map<string, Promise<State>>()
  let last: Promise<unknown> = Promise.resolve()
  /** One after the other; all who ask for an audience before its turn has begun share it. */
  const latest = (audience: string, now: number): Promise<State> => {
    const begin = () => {
      asked.delete(audience)
      return stateOf(audience, now)
    }
    const state = asked.get(audience) ?? last.then(begin, begin)
    if (!asked.has(audience)) last = state
    asked.set(audience, state)
    return state
  }

  return {
    letGo,
    manifest: async (audience, nonce, now) => {
      letGo(now)
      const { head, blocks, digests } = await latest(audience, now)
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

async function* inChunks(
  pages: AsyncIterable<readonly StandingAction[]>,
): AsyncGenerator<StandingAction[]> {
  const waiting: StandingAction[] = []
  for await (const page of pages) {
    waiting.push(...page)
    while (waiting.length >= chunkSize) yield waiting.splice(0, chunkSize)
  }
  if (waiting.length > 0) yield waiting
}
