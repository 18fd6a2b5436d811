/** How this node stands to its lists: what it answers the service, and what is the matter with them. */
import type { Feed } from '#contract/feed.ts'
import { printable } from '#contract/printable.ts'
import { type Problem, toProblem } from '#contract/problem.ts'
import type { FeedReceipt } from '#contract/receipt.ts'
import { printSpared, type Spared } from './feed-content.ts'
import { type FeedMemory, feedKey, type HeldFeed } from './feed-memory.ts'
import type { Firewall } from './kernel/firewall.ts'

export type FeedAnswersOn = {
  memory: FeedMemory
  firewall: Firewall
  now(): number
  /** What is the matter with lists, undefined when nothing is. */
  health(problem: Problem | undefined): void
  /** There is news for the service. */
  changed(): void
}

export class FeedAnswers {
  readonly #on: FeedAnswersOn
  readonly #receipts = new Map<string, FeedReceipt>()
  #distrusted: Problem | undefined
  #unkept: Problem | undefined
  #unloaded: Problem | undefined

  constructor(on: FeedAnswersOn) {
    this.#on = on
  }

  get receipts(): FeedReceipt[] {
    const now = this.#on.now()
    return [...this.#receipts.values()].map((one) =>
      one.not_after > now || one.status === 'refused'
        ? one
        : { ...one, status: 'ended', entries: 0 },
    )
  }

  say(feed: HeldFeed, status: 'refused' | 'failed', problem: Problem): void {
    const held = this.#on.memory.feeds.get(feedKey(feed))
    const before = held && held !== feed ? `; version ${held.version} stays until its end` : ''
    const detail = printable(`${problem.message}${before}`, 300)
    this.#put(feed, { status, entries: 0, code: problem.code, detail })
    this.#tellHealth(problem)
  }

  /** The kernel refused. Where no list is to be there, no receipt tells of it. */
  failed(feeds: readonly HeldFeed[], problem: Problem): void {
    this.#unloaded = problem
    for (const feed of feeds) this.say(feed, 'failed', problem)
    this.#tellHealth()
  }

  /** The kernel has confirmed these, or that there are none. */
  loaded(feeds: readonly HeldFeed[], spared: ReadonlyMap<string, Spared>): void {
    const { memory, firewall } = this.#on
    this.#unloaded = undefined
    for (const feed of feeds) {
      const key = feedKey(feed)
      const left = spared.get(key)
      const detail = left && printSpared(left)
      const entries = feed.entries - (left?.wide ?? 0)
      // A newer version that is refused or on its way is what the receipt is about, until that is held.
      if (memory.feeds.get(key) === feed && !this.#tellsOfNewer(feed))
        this.#put(feed, {
          status: firewall.enforcing ? 'applied' : 'planned',
          entries,
          ...(detail === undefined ? {} : { detail }),
        })
    }
    this.#tellHealth()
  }

  /** What of the audience is not named any more. */
  forget(audience: string, named: ReadonlyMap<string, Feed>): void {
    for (const [key, one] of this.#receipts)
      if (one.audience === audience && !named.has(key)) this.#receipts.delete(key)
    this.#tellHealth()
  }

  /** What became of the newest statement that came. */
  trust(problem: Problem | undefined): void {
    this.#distrusted = problem
    this.#tellHealth()
  }

  keep(): void {
    const before = this.#unkept
    try {
      this.#on.memory.keep()
      this.#unkept = undefined
    } catch (error) {
      this.#unkept = toProblem(error)
    }
    if (before !== this.#unkept) this.#tellHealth()
  }

  #tellsOfNewer(feed: HeldFeed): boolean {
    const said = this.#receipts.get(feedKey(feed))
    return said !== undefined && said.version > feed.version
  }

  #put(
    { audience, feed, version, not_after }: HeldFeed,
    what: Pick<FeedReceipt, 'status' | 'entries' | 'code' | 'detail'>,
  ): void {
    const key = feedKey({ audience, feed })
    const said = this.#receipts.get(key)
    const same = said?.version === version && said.status === what.status
    const at = same ? said.at : this.#on.now()
    this.#receipts.set(key, { audience, feed, version, not_after, at, ...what })
    if (!same) this.#on.changed()
  }

  /** The newest problem is told whole, with its remedy; later ones are found among the receipts. */
  #tellHealth(newest?: Problem): void {
    const unwell = this.#distrusted ?? newest ?? this.#unloaded ?? this.#unkept
    if (unwell) this.#on.health(unwell)
    else if (![...this.#receipts.values()].some(({ code }) => code !== undefined))
      this.#on.health(undefined)
  }
}
