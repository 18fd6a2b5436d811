/** `cordon feed`: lists that nodes enforce as a whole. */
import { z } from 'zod'
import { printable } from '#contract/printable.ts'
import { answer } from './answer.ts'
import { openClient } from './client.ts'
import type { Handler } from './command.ts'
import { printAgo, printColumns } from './paint.ts'

const Feeds = z.looseObject({
  feeds: z.array(
    z.looseObject({
      feed: z.string(),
      audience: z.string(),
      entries: z.int(),
      published: z.string(),
      not_after: z.string(),
      nodes: z.array(
        z.looseObject({ node: z.string(), status: z.string(), detail: z.string().nullable() }),
      ),
    }),
  ),
})

export const listFeeds: Handler = async (asked, io) => {
  const { feeds } = await openClient(io.environment).get('/v1/feeds', Feeds)
  const rows = feeds.map(({ feed, audience, entries, published, not_after, nodes }) => [
    feed,
    audience,
    String(entries),
    printAgo(published, io.now()),
    printAgo(not_after, io.now()),
    counted(nodes.map(({ status }) => status)),
  ])
  const headings = ['LIST', 'FOR', 'NETWORKS', 'PUBLISHED', 'ENDS', 'NODES']
  const words = feeds.flatMap(({ feed, nodes }) =>
    nodes.flatMap(({ node, status, detail }) =>
      detail === null ? [] : [`${feed} on ${node}: ${status}, ${printable(detail)}\n`],
    ),
  )
  answer(asked, io, feeds, () =>
    rows.length === 0
      ? 'no list is enforced as a whole: one with "enforce: true" in section lists would be\n'
      : printColumns(io, headings, rows) + words.join(''),
  )
  return 0
}

/** `applied 3, failed 1` */
function counted(statuses: readonly string[]): string {
  const groups = [...Map.groupBy(statuses, (status) => status)]
  return groups.map(([status, ones]) => `${status} ${ones.length}`).join(', ') || 'none'
}
