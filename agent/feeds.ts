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
import { printable } from '#contract/printable.ts'
import { Problem, toProblem } from '#contract/problem.ts'
import type { FeedReceipt } from '#contract/receipt.ts'
import type { Service } from './connect.ts'
import { printSpared, type Spared } from './feed-content.ts'
import { FeedLoader } from './feed-loader.ts'
import { type FeedMemory, feedKey, type HeldFeed } from './feed-memory.ts'
import type { Protected } from './guard.ts'
import type { Firewall } from './kernel/firewall.ts'
import { fetchNetworks } from './networks.ts'
import { Statements, type StatementsOn } from './statement.ts'
import { verifyFeeds } from './verify-newest.ts'

export type FeedsOn = StatementsOn & {
  memory: FeedMemory
  firewall: Firewall
  service: Pick<Service, 'text'>
  here(): readonly Protected[]
  /** Networks of all lists together. */
  mostEntries: number
  /** Milliseconds that only go forward. */
  monotonic(): number
  /** What is the matter with lists, undefined when nothing is. */
  health(problem: Problem | undefined): void
  /** So many networks were read and brought into the kernel. */
  brought(networks: number): void
  /** There is news for the service. */
  changed(): void
}

/** A signed list of more than a quarter of all addresses in use (2000::/3 of IPv6) is no list of attackers. */
const mostAddresses = { 4: 2 ** 30, 6: 2 ** 123 } as const
const retryMs = { first: 1_000, longest: 5 * 60_000 }

export class Feeds {
  readonly #on: FeedsOn
  readonly #loader: FeedLoader
  readonly #statements: Statements<FeedsClaims>
  readonly #receipts = new Map<string, FeedReceipt>()
  /** Named by the newest statement of their audience and not held yet. */
  readonly #wanted = new Map<string, HeldFeed>()
  readonly #tried = new Set<HeldFeed>()
  #fetching: Promise<void> | undefined
  #retry: NodeJS.Timeout | undefined
  #retryMs = retryMs.first
  #distrusted: Problem | undefined
  #stopped = false

  constructor(on: FeedsOn) {
    this.#on = on
    const { firewall, memory, here, now, monotonic } = on
    this.#loader = new FeedLoader({
      ...{ firewall, memory, here, now, monotonic },
      keep: () => this.#keep(),
      loaded: (feeds, spared) => this.#loaded(feeds, spared),
      failed: (feeds, problem) => {
        for (const feed of feeds) this.#say(feed, 'failed', problem)
      },
      damaged: (feed) => this.#forgetDamaged(feed),
    })
    this.#statements = new Statements(on, verifyFeeds, {
      accept: (claims) => this.#place(claims),
      judged: (problem) => {
        this.#distrusted = problem
        this.#tellHealth()
      },
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
    this.#keep()
    this.#prune()
  }

  get receipts(): FeedReceipt[] {
    const now = this.#on.now()
    return [...this.#receipts.values()].map((one) =>
      one.not_after > now || one.status === 'refused'
        ? one
        : { ...one, status: 'ended', entries: 0 },
    )
  }

  /** Resolves when nothing that has come waits. */
  async settled(): Promise<void> {
    await this.#statements.settled()
    while (this.#fetching) await this.#fetching
    await this.#loader.settled()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#statements.stop()
    clearTimeout(this.#retry)
    await this.#loader.stop()
  }

  #place({ aud: audience, feeds }: FeedsClaims): void {
    const { now } = this.#on
    const named = new Map(feeds.map((one) => [feedKey({ audience, ...one }), one]))
    this.#withdraw(audience, named)
    for (const feed of feeds) if (feed.not_after > now()) this.#want({ audience, ...feed })
    this.#keep()
    this.#prune()
    this.#retryMs = retryMs.first
    this.#fetch()
  }

  /** What of the audience is not named any more leaves the kernel without waiting for anything. */
  #withdraw(audience: string, named: ReadonlyMap<string, Feed>): void {
    const { feeds } = this.#on.memory
    const gone = [...feeds].filter(([key, one]) => one.audience === audience && !named.has(key))
    for (const [key] of gone) feeds.delete(key)
    for (const [key, one] of this.#wanted) if (one.audience === audience) this.#wanted.delete(key)
    for (const [key, one] of this.#receipts)
      if (one.audience === audience && !named.has(key)) this.#receipts.delete(key)
    if (gone.length === 0) return
    this.#loader.load()
    this.#on.changed()
  }

  #want(feed: HeldFeed): void {
    const held = this.#on.memory.feeds.get(feedKey(feed))
    const same = held?.chunks.join() === feed.chunks.join()
    if (same && held?.version === feed.version && held.not_after === feed.not_after) return
    const problem = this.#tooMany(feed)
    if (problem) this.#say(feed, 'refused', problem)
    else if (same) this.#hold(feed)
    else this.#wanted.set(feedKey(feed), feed)
  }

  /** What is in force, or on its way, comes first. */
  #tooMany(feed: HeldFeed): Problem | undefined {
    const { memory, mostEntries } = this.#on
    const all = new Map([...memory.feeds, ...this.#wanted])
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
    this.#wanted.delete(key)
    this.#on.memory.feeds.set(key, feed)
    this.#loader.load()
  }

  #fetch(): void {
    if (this.#stopped || this.#wanted.size === 0) return
    clearTimeout(this.#retry)
    this.#fetching ??= this.#fetchAll().finally(() => {
      this.#fetching = undefined
      // What came while the last one was being finished has not had its turn.
      if (this.#untried()) this.#fetch()
      else if (this.#wanted.size > 0) this.#fetchLater()
    })
  }

  #fetchLater(): void {
    if (this.#stopped) return
    this.#retry = setTimeout(() => this.#fetch(), this.#retryMs).unref()
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
    return [...this.#wanted.values()].find((feed) => !this.#tried.has(feed))
  }

  async #fetchOne(feed: HeldFeed): Promise<void> {
    const current = () => this.#wanted.get(feedKey(feed)) === feed
    try {
      await this.#fetchChunks(feed)
      if (this.#stopped || !current()) return
      this.#hold(feed)
      this.#keep()
    } catch (error) {
      if (!current()) return
      const problem = toProblem(error)
      if (problem.code === 'too_wide') this.#wanted.delete(feedKey(feed))
      this.#say(feed, problem.code === 'too_wide' ? 'refused' : 'failed', problem)
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

  #loaded(feeds: readonly HeldFeed[], spared: ReadonlyMap<string, Spared>): void {
    const { memory, firewall } = this.#on
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
    this.#on.brought(feeds.reduce((sum, { entries }) => sum + entries, 0))
    this.#prune()
    this.#tellHealth()
  }

  #tellsOfNewer(feed: HeldFeed): boolean {
    const said = this.#receipts.get(feedKey(feed))
    return said !== undefined && said.version > feed.version
  }

  #forgetDamaged(feed: HeldFeed): void {
    const { memory } = this.#on
    const key = feedKey(feed)
    // It was withdrawn or replaced while it was being read.
    if (memory.feeds.get(key) !== feed) return
    memory.feeds.delete(key)
    if (!this.#wanted.has(key)) this.#wanted.set(key, feed)
    this.#say(feed, 'failed', incomplete('its chunks on the disk are damaged'))
    this.#fetch()
  }

  #say(feed: HeldFeed, status: 'refused' | 'failed', problem: Problem): void {
    const held = this.#on.memory.feeds.get(feedKey(feed))
    const before = held && held !== feed ? `; version ${held.version} stays until its end` : ''
    const detail = printable(`${problem.message}${before}`, 300)
    this.#put(feed, { status, entries: 0, code: problem.code, detail })
    this.#tellHealth(problem)
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

  /** The problem of `#say` is told whole, with its remedy; later ones are found among the receipts. */
  #tellHealth(newest?: Problem): void {
    const unwell = this.#distrusted ?? newest
    if (unwell) this.#on.health(unwell)
    else if (![...this.#receipts.values()].some(({ code }) => code !== undefined))
      this.#on.health(undefined)
  }

  #keep(): void {
    try {
      this.#on.memory.keep()
    } catch (error) {
      this.#tellHealth(toProblem(error))
    }
  }

  /** Also of what never came whole: each version of that would stay for ever. */
  #prune(): void {
    const { memory } = this.#on
    const needed = [...memory.feeds.values(), ...this.#wanted.values()]
    try {
      memory.chunks.prune(new Set(needed.flatMap(({ chunks }) => chunks)))
    } catch {
      // What a disk does not let go of is tried again with the next list, and changes nothing that is in force.
    }
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

function incomplete(message: string, cause?: unknown): Problem {
  return new Problem('snapshot_incomplete', `the list is not complete: ${message}`, {
    remedy: 'the node asks again by itself; what it holds stays in force until its end',
    cause,
  })
}
