/** Which lists each audience enforces as a whole, as the newest version says: what nodes were last told. */
import { z } from 'zod'
import { Audience } from '#contract/audience.ts'
import { Feed } from '#contract/feed.ts'
import type { Reader, Writer } from './store.ts'

const Published = z.object({
  audience: Audience,
  version: z.int(),
  /** `published`: when this version of the list was first told, epoch ms. */
  feeds: z.array(Feed.extend({ published: z.int() })),
})
export type Published = z.infer<typeof Published>
export type PublishedFeed = Published['feeds'][number]

const prefix = 'feeds '

/** Also of audiences that enforce none any more: their nodes must still hear that. */
export async function readFeeds(db: Reader): Promise<Published[]> {
  const rows = await db
    .selectFrom('facts')
    .select('value')
    .where('name', '>=', prefix)
    .where('name', '<', 'feeds!')
    .orderBy('name')
    .execute()
  return rows.map(({ value }) => Published.parse(JSON.parse(value)))
}

export async function putFeeds(tx: Writer, published: Published): Promise<void> {
  const value = JSON.stringify(published)
  await tx
    .insertInto('facts')
    .values({ name: `${prefix}${published.audience}`, value })
    .onConflict((conflict) => conflict.column('name').doUpdateSet({ value }))
    .execute()
}
