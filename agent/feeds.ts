/**
 * Lists that are enforced as a whole.
 *
 * The service signs, for each audience, one statement of all its lists: name, version, end, number of networks, digests
 * of the chunks. It comes over the stream at each connection and at each change; the chunks are fetched by digest, so
 * that one signature and one artefact serve the fleet and any cache can relay them. There is no nonce: an old statement
 * is refused because versions only grow and are kept on the disk, because it may be accepted only until its `exp`, and
 * because each list carries its own end. A list that is refreshed gets a later end, one that is not ends by itself, in
 * the kernel too, where each element has its time. A list that the newest statement does not name is withdrawn at once.
 *
 * A list is taken when all its chunks are on the disk and are what was signed; until then the version before it stays.
 * What is held is laid over one another (an address until the latest end), what this node protects is cut out, and the
 * result replaces the feed sets of the kernel as a whole. Nothing here touches a block, nor waits for one.
 */
import type { Feed, FeedsClaims } from '#contract/feed.ts'
import { Problem } from '#contract/problem.ts'
import type { FeedReceipt } from '#contract/receipt.ts'
import { FeedAnswers, type FeedAnswersOn } from './feed-answers.ts'
import type { Spared } from './feed-content.ts'
import { FeedFetcher, type FeedFetchOn, incomplete } from './feed-fetch.ts'
import { FeedLoader } from './feed-loader.ts'
import { feedKey, type HeldFeed } from './feed-memory.ts'
import type { Protected } from './guard.ts'
import { Statements, type StatementsOn } from './statement.ts'
import { verifyFeeds } from './verify-newest.ts'

export type FeedsOn = StatementsOn &
  FeedAnswersOn &
  Pick<FeedFetchOn, 'service'> & {
    here(): readonly Protected[]
    /** Networks of all lists together. */
    mostEntries: number
    /** Milliseconds that only go forward. */
    monotonic(): number
    /** So many networks were read and brought into the kernel. */
    brought(networks: number): void
  }

export class Feeds {
  readonly #on: FeedsOn
  readonly #answers: FeedAnswers
  readonly #loader: FeedLoader
  readonly #fetcher: FeedFetcher
  readonly #statements: Statements<FeedsClaims>

  constructor(on: FeedsOn) {
    this.#on = on
    const { firewall, memory, service, here, now, monotonic } = on
    const answers = new FeedAnswers(on)
    this.#answers = answers
    this.#loader = new FeedLoader({
      ...{ firewall, memory, here, now, monotonic },
      keep: () => answers.keep(),
      loaded: (feeds, spared) => this.#loaded(feeds, spared),
      failed: (feeds, problem) => answers.failed(feeds, problem),
      damaged: (feed) => this.#forgetDamaged(feed),
    })
    this.#fetcher = new FeedFetcher({
      ...{ memory, service },
      hold: (feed) => {
        this.#hold(feed)
        answers.keep()
      },
      say: (feed, status, problem) => answers.say(feed, status, problem),
    })
    this.#statements = new Statements(on, verifyFeeds, {
      accept: (claims) => this.#place(claims),
      judged: (problem) => answers.trust(problem),
    })
  }

  /** A statement as it came. Resolves when it was accepted or refused, never rejects. */
  take(jws: string): Promise<void> {
    return this.#statements.take(jws)
  }

  /** Brings what is held into the kernel anew: at the start, and when the clock was moved. */
  load(): void {
    this.#loader.load()
  }

  heal(): void {
    this.#loader.heal()
  }

  /** The node follows the audience no longer. */
  leave(audience: string): void {
    this.#withdraw(audience, new Map())
    this.#answers.keep()
    this.#prune()
  }

  get receipts(): FeedReceipt[] {
    return this.#answers.receipts
  }

  /** Resolves when nothing that has come waits. */
  async settled(): Promise<void> {
    await this.#statements.settled()
    await this.#fetcher.settled()
    await this.#loader.settled()
  }

  async stop(): Promise<void> {
    this.#statements.stop()
    this.#fetcher.stop()
    await this.#loader.stop()
  }

  #place({ aud: audience, feeds }: FeedsClaims): void {
    const { now } = this.#on
    const named = new Map(feeds.map((one) => [feedKey({ audience, ...one }), one]))
    this.#withdraw(audience, named)
    for (const feed of feeds) if (feed.not_after > now()) this.#want({ audience, ...feed })
    this.#answers.keep()
    this.#prune()
    this.#fetcher.renew()
  }

  /** What of the audience is not named any more leaves the kernel without waiting for anything. */
  #withdraw(audience: string, named: ReadonlyMap<string, Feed>): void {
    const { feeds } = this.#on.memory
    const { wanted } = this.#fetcher
    const gone = [...feeds].filter(([key, one]) => one.audience === audience && !named.has(key))
    for (const [key] of gone) feeds.delete(key)
    for (const [key, one] of wanted) if (one.audience === audience) wanted.delete(key)
    this.#answers.forget(audience, named)
    if (gone.length === 0) return
    this.#loader.load()
    this.#on.changed()
  }

  #want(feed: HeldFeed): void {
    const held = this.#on.memory.feeds.get(feedKey(feed))
    const same = held?.chunks.join() === feed.chunks.join()
    if (same && held?.version === feed.version && held.not_after === feed.not_after) return
    const problem = this.#tooMany(feed)
    if (problem) this.#answers.say(feed, 'refused', problem)
    else if (same) this.#hold(feed)
    else this.#fetcher.wanted.set(feedKey(feed), feed)
  }

  /** What is in force, or on its way, comes first. */
  #tooMany(feed: HeldFeed): Problem | undefined {
    const { memory, mostEntries } = this.#on
    const all = new Map([...memory.feeds, ...this.#fetcher.wanted])
    all.set(feedKey(feed), feed)
    const total = [...all.values()].reduce((sum, { entries }) => sum + entries, 0)
    if (total <= mostEntries) return undefined
    return new Problem(
      'ceiling_reached',
      `with ${feed.feed} the lists would hold ${total} networks, this node takes ${mostEntries}`,
      { remedy: 'raise CORDON_AGENT_MAX_FEED_ENTRIES, or enforce fewer lists here' },
    )
  }

  #hold(feed: HeldFeed): void {
    const key = feedKey(feed)
    this.#fetcher.wanted.delete(key)
    this.#on.memory.feeds.set(key, feed)
    this.#loader.load()
  }

  #loaded(feeds: readonly HeldFeed[], spared: ReadonlyMap<string, Spared>): void {
    this.#answers.loaded(feeds, spared)
    this.#on.brought(feeds.reduce((sum, { entries }) => sum + entries, 0))
    this.#prune()
  }

  #forgetDamaged(feed: HeldFeed): void {
    const { memory } = this.#on
    const { wanted } = this.#fetcher
    const key = feedKey(feed)
    // It was withdrawn or replaced while it was being read.
    if (memory.feeds.get(key) !== feed) return
    memory.feeds.delete(key)
    if (!wanted.has(key)) wanted.set(key, feed)
    this.#answers.say(feed, 'failed', incomplete('its chunks on the disk are damaged'))
    this.#fetcher.fetch()
  }

  /** Also of what never came whole: each version of that would stay for ever. */
  #prune(): void {
    const { memory } = this.#on
    const needed = [...memory.feeds.values(), ...this.#fetcher.wanted.values()]
    try {
      memory.chunks.prune(new Set(needed.flatMap(({ chunks }) => chunks)))
    } catch {
      // What a disk does not let go of is tried again with the next list, and changes nothing that is in force.
    }
  }
}
