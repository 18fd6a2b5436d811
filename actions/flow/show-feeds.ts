/** What each list that is enforced as a whole has come to on the nodes, from what they said of it last. */
import type { FeedReceipt } from '#contract/receipt.ts'
import type { Published, PublishedFeed } from '../store/feeds.ts'
import { listNodes, type Node } from '../store/nodes.ts'
import type { Reader } from '../store/store.ts'
import { audienceNodes } from './audience-nodes.ts'

export type ShownFeed = Omit<PublishedFeed, 'chunks'> & { audience: string; nodes: NodeFeed[] }
type NodeFeed = {
  node: string
  /** `unheard`: nothing was said of this version yet. */
  status: FeedReceipt['status'] | 'unheard'
  entries: number
  at: number | null
  code: string | null
  detail: string | null
}

export async function showFeeds(db: Reader, published: readonly Published[]): Promise<ShownFeed[]> {
  const nodes = await listNodes(db)
  return published.flatMap(({ audience, feeds }) => {
    const own = audienceNodes([audience], nodes)
    return feeds.map(({ chunks: _, ...feed }) => ({
      ...feed,
      audience,
      nodes: own.map((node) => standing(node, audience, feed)),
    }))
  })
}

function standing(
  { name, heartbeat }: Node,
  audience: string,
  { feed, version }: Pick<PublishedFeed, 'feed' | 'version'>,
): NodeFeed {
  const said = heartbeat?.feeds?.find((one) => one.audience === audience && one.feed === feed)
  if (said?.version !== version)
    return { node: name, status: 'unheard', entries: 0, at: null, code: null, detail: null }
  const { status, entries, at, code = null, detail = null } = said
  return { node: name, status, entries, at, code, detail }
}
