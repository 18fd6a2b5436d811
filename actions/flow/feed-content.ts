/** The chunks of the lists that are enforced: made once for each version of a list, whoever fetches them. */
import { setImmediate as turn } from 'node:timers/promises'
import type { Address } from '#contract/address.ts'
import { feedChunkSize, printFeedChunk } from '#contract/feed.ts'
import { chunkDigest } from '#contract/snapshot.ts'

export type FeedContent = { version: string; entries: number; chunks: ReadonlyMap<string, string> }

/** With a turn for what else there is to do after each chunk. The networks are canonical, in order and apart. */
export async function makeContent(
  version: string,
  networks: Iterable<Address>,
): Promise<FeedContent> {
  const chunks = new Map<string, string>()
  let entries = 0
  let piece: Address[] = []
  const put = async () => {
    const text = printFeedChunk(piece)
    chunks.set(chunkDigest(text), text)
    entries += piece.length
    piece = []
    await turn()
  }
  for (const network of networks) {
    piece.push(network)
    if (piece.length === feedChunkSize) await put()
  }
  if (piece.length > 0) await put()
  return { version, entries, chunks }
}
