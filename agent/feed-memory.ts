/**
 * The lists that this node enforces as a whole, on its disk: what was signed and verified, chunk by chunk under their
 * digests, so that a restart and a boot without network read them as they came and check them the same way.
 */
import { readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { Audience } from '#contract/audience.ts'
import { ChunkDigest, Feed } from '#contract/feed.ts'
import { chunkDigest } from '#contract/snapshot.ts'
import { makeFolder, readState, writeState } from './state.ts'

/** A list whose chunks are all on the disk. */
export const HeldFeed = Feed.extend({ audience: Audience })
export type HeldFeed = z.infer<typeof HeldFeed>

const Index = z.strictObject({
  /** The half of the kernel's sets that was filled last. */
  half: z.enum(['a', 'b']),
  /** The newest version that was accepted, by audience: also of one that this node follows no longer. */
  versions: z.array(z.tuple([Audience, z.int()])),
  feeds: z.array(HeldFeed),
})

export class FeedMemory {
  readonly #folder: string
  readonly versions: Map<string, number>
  readonly feeds: Map<string, HeldFeed>
  half: 'a' | 'b'

  /** What cannot be read is asked for anew: the service says at each connection which lists there are. */
  constructor(folder: string) {
    this.#folder = join(folder, 'feeds')
    makeFolder(this.#folder)
    const { half, versions, feeds } = readIndex(join(this.#folder, 'index.json'))
    this.half = half
    this.versions = new Map(versions)
    this.feeds = new Map(feeds.map((feed) => [feedKey(feed), feed]))
  }

  /** Throws what the file system says. */
  keep(): void {
    const { half, versions, feeds } = this
    const index = { half, versions: [...versions], feeds: [...feeds.values()] }
    writeState(join(this.#folder, 'index.json'), [JSON.stringify(index)])
  }

  /** Undefined when it is not there, or not what it was. */
  chunk(digest: string): string | undefined {
    const text = readState(join(this.#folder, digest))
    return text !== undefined && chunkDigest(text) === digest ? text : undefined
  }

  /** Not synced: one that a crash tore is not what its digest says. Throws what the file system says. */
  keepChunk(digest: string, text: string): void {
    writeFileSync(join(this.#folder, digest), text, { mode: 0o600 })
  }

  /** All chunks but these go. */
  prune(needed: ReadonlySet<string>): void {
    for (const name of readdirSync(this.#folder))
      if (ChunkDigest.safeParse(name).success && !needed.has(name))
        rmSync(join(this.#folder, name), { force: true })
  }
}

/** Two audiences may enforce lists of one name. */
export function feedKey({ audience, feed }: Pick<HeldFeed, 'audience' | 'feed'>): string {
  return `${audience} ${feed}`
}

function readIndex(path: string): z.infer<typeof Index> {
  const nothing = { half: 'b' as const, versions: [], feeds: [] }
  const text = readState(path)
  if (text === undefined) return nothing
  try {
    return Index.parse(JSON.parse(text))
  } catch {
    return nothing
  }
}
