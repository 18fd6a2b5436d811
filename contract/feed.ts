/**
 * The lists that an audience enforces as a whole. One signed statement an audience names all of them and the digests of
 * their chunks; a list that it does not name is withdrawn. It is for no node's nonce, so that one signature serves the
 * fleet: what keeps an old one from being played back is its version, which only grows, its `exp`, and each list's end.
 */
import { z } from 'zod'
import { type Address, compareAddresses, contains, maybeAddress } from './address.ts'
import { Audience } from './audience.ts'
import { Problem } from './problem.ts'
import { chunkDigest } from './snapshot.ts'
import { EpochMs } from './time.ts'

/** Networks in one chunk. */
export const feedChunkSize = 5_000
/** Lists that one audience may enforce, and of which one node may tell. */
export const mostFeeds = 200

export const FeedName = z.string().regex(/^[a-z0-9][a-z0-9_-]{0,59}$/)

/** In the URL of a chunk. */
export const ChunkDigest = z
  .string()
  .regex(/^[0-9a-f]{64}$/)
  .meta({ example: '4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945' })

export const Feed = z.strictObject({
  feed: FeedName,
  /** Of the statement that brought the list as it is here: another end is another version. */
  version: z.int().min(1),
  /** Networks in all chunks. */
  entries: z.int().nonnegative(),
  /** A list that is refreshed no longer ends by itself. */
  not_after: EpochMs,
  chunks: z.array(ChunkDigest).max(4_000),
})
export type Feed = z.infer<typeof Feed>

export const FeedsClaims = z.strictObject({
  iss: z.string(),
  aud: Audience,
  iat: z.int().nonnegative(),
  /** How late it may be accepted; the end of each list is its own. */
  exp: z.int().nonnegative(),
  /** At least the epoch milliseconds when it was made: also a service that lost its past goes on behind what it signed before. */
  version: z.int().min(1),
  feeds: z
    .array(Feed)
    .max(mostFeeds)
    .refine((feeds) => new Set(feeds.map(({ feed }) => feed)).size === feeds.length, 'named twice'),
})
export type FeedsClaims = z.infer<typeof FeedsClaims>

export function printFeedChunk(networks: readonly Address[]): string {
  return JSON.stringify(networks.map(({ text }) => text))
}

/**
 * Networks in canonical text, in order and apart, as they are asked for: of several chunks each goes on after `before`.
 * Throws `snapshot_incomplete` when the text is not the one that was promised, and on the way `unsupported` when it is no
 * such chunk.
 */
export function readFeedChunk(text: string, digest: string, before?: Address): Generator<Address> {
  if (chunkDigest(text) !== digest)
    throw new Problem(
      'snapshot_incomplete',
      'a chunk of a list is not the one that was signed for',
      {
        remedy: 'the node asks again by itself; if this repeats, look at what relays the traffic',
      },
    )
  return readNetworks(parse(text), before)
}

function* readNetworks(entries: readonly unknown[], before?: Address): Generator<Address> {
  let last = before
  for (const entry of entries) {
    const network = typeof entry === 'string' ? maybeAddress(entry) : undefined
    if (!network || network.text !== entry || (last && !follows(last, network)))
      throw new Problem('unsupported', 'a chunk of a list is not understood', {
        remedy: 'upgrade the agent of this node to the version of the service',
      })
    yield network
    last = network
  }
}

/** Networks are nested or apart, so the one in order behind another is apart from it unless it begins within. */
function follows(last: Address, network: Address): boolean {
  return compareAddresses(last, network) < 0 && !contains(last, network)
}

function parse(text: string): unknown[] {
  try {
    const entries: unknown = JSON.parse(text)
    return Array.isArray(entries) ? entries : [undefined]
  } catch {
    return [undefined]
  }
}
