/** The lists that this node enforces as a whole, on its disk: what was signed of them, and their chunks. */
import { join } from 'node:path'
import { z } from 'zod'
import { Audience } from '#contract/audience.ts'
import { Feed } from '#contract/feed.ts'
import { ChunkFolder } from './chunk-folder.ts'

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
  readonly chunks: ChunkFolder
  readonly versions: Map<string, number>
  readonly feeds: Map<string, HeldFeed>
  half: 'a' | 'b'

  /** What cannot be read is asked for anew: the service says at each connection which lists there are. */
  constructor(folder: string) {
    this.chunks = new ChunkFolder(join(folder, 'feeds'))
    const index = this.chunks.readIndex(Index)
    this.half = index?.half ?? 'b'
    this.versions = new Map(index?.versions)
    this.feeds = new Map(index?.feeds.map((feed) => [feedKey(feed), feed]))
  }

  /** Throws what the file system says. */
  keep(): void {
    const { half, versions, feeds } = this
    this.chunks.writeIndex({ half, versions: [...versions], feeds: [...feeds.values()] })
  }
}

/** Two audiences may enforce lists of one name. */
export function feedKey({ audience, feed }: Pick<HeldFeed, 'audience' | 'feed'>): string {
  return `${audience} ${feed}`
}
