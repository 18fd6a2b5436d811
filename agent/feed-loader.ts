/**
 * Brings the held lists into the kernel as a whole: into the half that is not in force, step by step, and only when it is
 * all there the other half is emptied. So what stays is never missing, and a single block waits for one step at most.
 */
import { type Problem, toProblem } from '#contract/problem.ts'
import { DamagedFeed, feedElements, type Spared } from './feed-content.ts'
import type { FeedMemory, HeldFeed } from './feed-memory.ts'
import type { Protected } from './guard.ts'
import type { Firewall } from './kernel/firewall.ts'

export type FeedLoaderOn = {
  firewall: Firewall
  memory: FeedMemory
  here(): readonly Protected[]
  now(): number
  /** Milliseconds that only go forward. */
  monotonic(): number
  /** What the memory holds is to be on the disk. Never throws: that it cannot be written stops no enforcing. */
  keep(): void
  /** The kernel has confirmed these, or that there are none. */
  loaded(feeds: readonly HeldFeed[], spared: ReadonlyMap<string, Spared>): void
  /** These are not in the kernel as they are held, or what is held no longer is; it is tried again. */
  failed(feeds: readonly HeldFeed[], problem: Problem): void
  /** It cannot be read from the disk any more: it is held no longer. */
  damaged(feed: HeldFeed): void
}

/** Whoever disturbs the table again and again makes this node spend no more of its time on lists than one part in this. */
const restAfter = 10
const retryMs = { first: 1_000, longest: 60_000 }

class Stopped extends Error {}

export class FeedLoader {
  readonly #on: FeedLoaderOn
  #due = false
  #working: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  #retryMs = retryMs.first
  #ended = Number.NEGATIVE_INFINITY
  #tookMs = 0
  /** Nothing was ever put into the kernel by this process, and what an earlier one did is not known. */
  #unknown = true
  #stopped = false

  constructor(on: FeedLoaderOn) {
    this.#on = on
  }

  /** What is held has changed, or the clock has. */
  load(): void {
    if (this.#stopped) return
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#due = true
    this.#working ??= this.#work().finally(() => {
      this.#working = undefined
      // What came while the last load was ending has not had its turn.
      if (this.#due) this.load()
    })
  }

  /** Somebody else may have emptied the sets. */
  heal(): void {
    this.#unknown = true
    const wait = this.#ended + this.#tookMs * restAfter - this.#on.monotonic()
    if (wait <= 0) this.load()
    else this.#later(wait)
  }

  /** Resolves when nothing is being loaded. */
  async settled(): Promise<void> {
    while (this.#working) await this.#working
  }

  /** What is in the kernel stays there. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    await this.settled()
  }

  async #work(): Promise<void> {
    while (this.#due && !this.#stopped) {
      this.#due = false
      const began = this.#on.monotonic()
      const feeds = this.#inForce()
      try {
        await this.#bring(feeds)
        this.#retryMs = retryMs.first
      } catch (error) {
        this.#refused(feeds, error)
      }
      this.#ended = this.#on.monotonic()
      this.#tookMs = this.#ended - began
    }
  }

  #inForce(): HeldFeed[] {
    const now = this.#on.now()
    return [...this.#on.memory.feeds.values()].filter((feed) => feed.not_after > now)
  }

  async #bring(feeds: readonly HeldFeed[]): Promise<void> {
    const { firewall, memory, keep, loaded } = this.#on
    const spared = new Map<string, Spared>()
    if (feeds.length === 0) {
      const { half } = memory
      const halves = this.#unknown ? [half, other(half)] : [half]
      // At once, so that the rules which asked them are written once.
      await Promise.all(halves.map((one) => firewall.emptyFeeds(one)))
    } else {
      const next = other(memory.half)
      await firewall.fillFeeds(
        next,
        this.#whileRunning(feedElements(this.#content(), feeds, spared)),
      )
      // Written before the other half is emptied: whatever is interrupted, what is in force is not what is emptied next.
      memory.half = next
      keep()
      await firewall.emptyFeeds(other(next))
    }
    loaded(feeds, spared)
    this.#unknown = false
  }

  #content() {
    const { memory, here, now } = this.#on
    return { folder: memory.chunks, here: here(), now }
  }

  *#whileRunning<Each>(all: Iterable<Each>): Generator<Each> {
    for (const one of all) {
      if (this.#stopped) throw new Stopped()
      yield one
    }
  }

  #refused(feeds: readonly HeldFeed[], error: unknown): void {
    if (error instanceof Stopped) return
    if (error instanceof DamagedFeed) {
      this.#on.damaged(error.feed)
      this.#due = true
      return
    }
    this.#unknown = true
    this.#on.failed(feeds, toProblem(error))
    this.#later(this.#retryMs)
    this.#retryMs = Math.min(retryMs.longest, this.#retryMs * 2)
  }

  #later(ms: number): void {
    if (this.#stopped || this.#timer) return
    this.#timer = setTimeout(() => this.load(), ms).unref()
  }
}

function other(half: 'a' | 'b'): 'a' | 'b' {
  return half === 'a' ? 'b' : 'a'
}
