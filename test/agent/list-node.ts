/** The part of a node that enforces lists as a whole, with a held clock and a service that is a Map. */
import type { Feed } from '#contract/feed.ts'
import { Problem } from '#contract/problem.ts'
import { FeedMemory } from '../../agent/feed-memory.ts'
import { Feeds } from '../../agent/feeds.ts'
import type { Protected } from '../../agent/guard.ts'
import type { Firewall } from '../../agent/kernel/firewall.ts'
import { feedStatement, serviceKey, today, trusting } from './signer.ts'

/** Never stops by itself. */
export function listNode<Fire extends Firewall>({
  folder,
  firewall,
  mostEntries = 500_000,
}: {
  folder: string
  firewall: Fire
  mostEntries?: number
}) {
  const clock = { now: today }
  const here: Protected[] = []
  const chunks = new Map<string, string>()
  const asked: string[] = []
  const text = async (path: string) => {
    asked.push(path)
    const found = chunks.get(path.split('/').at(-1) ?? '')
    if (found === undefined) throw new Problem('not_found', 'no such chunk')
    return found
  }
  const state: { problem: Problem | undefined } = { problem: undefined }
  const feeds = new Feeds({
    memory: new FeedMemory(folder),
    firewall,
    service: { text },
    trust: () => trusting(serviceKey),
    learnKeys: async () => {},
    audiences: () => new Set(['all', 'group/web', 'node/web-01']),
    here: () => here,
    mostEntries,
    now: () => clock.now,
    monotonic: () => clock.now,
    health: (problem) => {
      state.problem = problem
    },
    brought: () => {},
    changed: () => {},
  })
  return {
    ...{ folder, firewall, clock, here, chunks, asked, feeds },
    get problem() {
      return state.problem
    },
    told: () => feeds.receipts.map(({ status, code }) => [status, code]),
    /** The service has these lists and no others for all nodes. */
    async enforce(version: number, ...lists: { named: Feed; chunks: Map<string, string> }[]) {
      for (const { chunks: own } of lists)
        for (const [digest, body] of own) chunks.set(digest, body)
      await feeds.take(
        feedStatement(
          'all',
          version,
          lists.map(({ named }) => named),
        ),
      )
      await feeds.settled()
    },
  }
}
