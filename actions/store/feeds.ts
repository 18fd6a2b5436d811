/** Which lists each audience enforces as a whole, as the newest version says: what nodes were last told. */
import { z } from 'zod'
import { Audience } from '#contract/audience.ts'
import { Feed } from '#contract/feed.ts'
import { factsOf, putFactOf } from './facts.ts'
import type { Reader, Writer } from './store.ts'

const Published = z.object({
  audience: Audience,
  version: z.int(),
  /** `published`: when this version of the list was first told, epoch ms. */
  feeds: z.array(Feed.extend({ published: z.int() })),
})
export type Published = z.infer<typeof Published>
export type PublishedFeed = Published['feeds'][number]

const kind = 'feeds'

/** Also of audiences that enforce none any more: their nodes must still hear that. */
export async function readFeeds(db: Reader): Promise<Published[]> {
  return (await factsOf(db, kind)).map((value) => Published.parse(JSON.parse(value)))
}

export function putFeeds(tx: Writer, published: Published): Promise<void> {
  return putFactOf(tx, kind, published.audience, JSON.stringify(published))
}
