/** Networks that a signed statement names by the digests of their chunks: fetched and checked, and read from the disk. */
import { setImmediate as breath } from 'node:timers/promises'
import type { Address } from '#contract/address.ts'
import { readFeedChunk } from '#contract/feed.ts'
import { Problem, toProblem } from '#contract/problem.ts'
import type { ChunkFolder } from './chunk-folder.ts'

/** Networks that are read in one go, so that a block never waits for a chunk. */
const breathSize = 500

export type FetchOn = {
  folder: ChunkFolder
  /** The text of a chunk, from the service. */
  ask(digest: string): Promise<string>
  each?(network: Address): void
  /** A `snapshot_incomplete` that says of what. */
  incomplete(message: string, cause?: unknown): Problem
}

/** Into the folder, each chunk checked. Throws what `incomplete` makes, and what the connection and the disk throw. */
export async function fetchNetworks(
  { entries, chunks }: { entries: number; chunks: readonly string[] },
  { folder, ask, each, incomplete }: FetchOn,
): Promise<void> {
  const absent = (error: unknown): never => {
    const problem = toProblem(error)
    throw problem.code === 'not_found' ? incomplete('a chunk is not there', problem) : problem
  }
  let count = 0
  let last: Address | undefined
  for (const digest of chunks) {
    const held = folder.read(digest)
    const text = held ?? (await ask(digest).catch(absent))
    for (const network of readFeedChunk(text, digest, last)) {
      each?.(network)
      last = network
      if (++count > entries) throw incomplete(`more than ${entries} networks came`)
      if (count % breathSize === 0) await breath()
    }
    if (held === undefined) folder.keep(digest, text)
  }
  if (count !== entries) throw incomplete(`${count} of ${entries} networks came`)
}

/** As they were fetched. Throws `snapshot_incomplete` while they are taken, when the disk does not hold them any more. */
export function* readNetworks(
  chunks: readonly string[],
  folder: Pick<ChunkFolder, 'read'>,
): Generator<Address> {
  let last: Address | undefined
  for (const digest of chunks) {
    const text = folder.read(digest)
    if (text === undefined)
      throw new Problem('snapshot_incomplete', 'a chunk on the disk is damaged', {
        remedy: 'the node asks for it again by itself',
      })
    for (const network of readFeedChunk(text, digest, last)) {
      yield network
      last = network
    }
  }
}
