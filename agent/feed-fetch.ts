/** Fetches what the newest statements name and this node does not hold: one list after the other, and again what failed. */
import { Problem, toProblem } from '#contract/problem.ts'
import type { Service } from './connect.ts'
import { type FeedMemory, feedKey, type HeldFeed } from './feed-memory.ts'
import { fetchNetworks } from './networks.ts'

export type FeedFetchOn = {
  memory: FeedMemory
  service: Pick<Service, 'text'>
  /** It came whole. */
  hold(feed: HeldFeed): void
  say(feed: HeldFeed, status: 'refused' | 'failed', problem: Problem): void
}

/** A signed list of more than a quarter of all addresses in use (2000::/3 of IPv6) is no list of attackers. */
const mostAddresses = { 4: 2 ** 30, 6: 2 ** 123 } as const
const retryMs = { first: 1_000, longest: 5 * 60_000 }

export class FeedFetcher {
  /** Named by the newest statement of their audience and not held yet, by key. */
  readonly wanted = new Map<string, HeldFeed>()
  readonly #on: FeedFetchOn
  readonly #tried = new Set<HeldFeed>()
  #fetching: Promise<void> | undefined
  #retry: NodeJS.Timeout | undefined
  #retryMs = retryMs.first
  #stopped = false

  constructor(on: FeedFetchOn) {
    this.#on = on
  }

  /** A new statement is a reason not to wait. */
  renew(): void {
    this.#retryMs = retryMs.first
    this.fetch()
  }

  fetch(): void {
    if (this.#stopped || this.wanted.size === 0) return
    clearTimeout(this.#retry)
    this.#fetching ??= this.#fetchAll().finally(() => {
      this.#fetching = undefined
      // What came while the last one was being finished has not had its turn.
      if (this.#untried()) this.fetch()
      else if (this.wanted.size > 0) this.#fetchLater()
    })
  }

  /** Resolves when nothing is being fetched. */
  async settled(): Promise<void> {
    while (this.#fetching) await this.#fetching
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#retry)
  }

  #fetchLater(): void {
    if (this.#stopped) return
    this.#retry = setTimeout(() => this.fetch(), this.#retryMs).unref()
    this.#retryMs = Math.min(retryMs.longest, this.#retryMs * 2)
  }

  /** Each once; a list that fails keeps none of the others back. */
  async #fetchAll(): Promise<void> {
    this.#tried.clear()
    for (let feed = this.#untried(); feed && !this.#stopped; feed = this.#untried()) {
      this.#tried.add(feed)
      await this.#fetchOne(feed)
    }
  }

  #untried(): HeldFeed | undefined {
    return [...this.wanted.values()].find((feed) => !this.#tried.has(feed))
  }

  async #fetchOne(feed: HeldFeed): Promise<void> {
    const current = () => this.wanted.get(feedKey(feed)) === feed
    try {
      await this.#fetchChunks(feed)
      if (!this.#stopped && current()) this.#on.hold(feed)
    } catch (error) {
      if (!current()) return
      const problem = toProblem(error)
      if (problem.code === 'too_wide') this.wanted.delete(feedKey(feed))
      this.#on.say(feed, problem.code === 'too_wide' ? 'refused' : 'failed', problem)
    }
  }

  /** Throws `snapshot_incomplete`, `too_wide`, and what the connection and the disk throw. */
  async #fetchChunks(feed: HeldFeed): Promise<void> {
    const { memory, service } = this.#on
    const addresses = { 4: 0, 6: 0 }
    await fetchNetworks(feed, {
      folder: memory.chunks,
      ask: (digest) => service.text(`/v1/feeds/${feed.feed}/${digest}`),
      each: ({ family, bytes, prefix }) => {
        addresses[family] += 2 ** (bytes.length * 8 - prefix)
      },
      incomplete,
    })
    for (const family of [4, 6] as const)
      if (addresses[family] > mostAddresses[family]) throw tooWide(feed.feed, family)
  }
}

function tooWide(feed: string, family: 4 | 6): Problem {
  return new Problem(
    'too_wide',
    `${feed} holds more than a quarter of all IPv${family} addresses`,
    {
      remedy: 'look at what the service took for this list, and at who may sign in its name',
    },
  )
}

export function incomplete(message: string, cause?: unknown): Problem {
  return new Problem('snapshot_incomplete', `the list is not complete: ${message}`, {
    remedy: 'the node asks again by itself; what it holds stays in force until its end',
    cause,
  })
}
