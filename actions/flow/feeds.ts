/**
 * Lists that nodes enforce as a whole: published when they change, when they are confirmed, and when they are withdrawn.
 * One signed statement for each audience names them; nodes fetch the chunks by digest. See agent/feeds.ts for what
 * makes that safe. A list that its source has not confirmed for three intervals ends by itself.
 */
import type { Address } from '#contract/address.ts'
import { tokenType } from '#contract/envelope.ts'
import type { Feed, FeedsClaims } from '#contract/feed.ts'
import { Problem } from '#contract/problem.ts'
import { type Published, type PublishedFeed, putFeeds, readFeeds } from '../store/feeds.ts'
import { appendJournal, type JournalEntry } from '../store/journal.ts'
import type { Store } from '../store/store.ts'
import { type FeedContent, makeContent } from './feed-content.ts'
import { eventFrame, type Hub } from './hub.ts'
import { openTurns } from './in-turn.ts'
import type { SigningKeys } from './keys.ts'
import { openSigner } from './statement.ts'

/** A list that nodes are to enforce. */
export type EnforcedList = {
  name: string
  audience: readonly string[]
  /** How often its source is asked, ms. */
  interval: number
  /** Undefined while nothing of it can be read: what was published goes on until its end. */
  content:
    | undefined
    | {
        /** Another one when the networks are others. */
        version: string
        /** When the source last said that it is so, epoch ms. */
        confirmed: number
        /** Canonical, in order and apart. */
        networks(): Iterable<Address>
      }
}

export type Feeds = {
  /** Compares what is to be enforced with what nodes were told, and tells them. For changes and for the clock. */
  look(): Promise<void>
  /** Signed statements of those audiences that have or had lists, for a stream that begins. */
  statements(audiences: readonly string[]): Promise<string[]>
  /** Throws `not_found` when none of the audiences enforces a list with this chunk. */
  chunk(audiences: readonly string[], feed: string, digest: string): Promise<string>
  published(): Promise<readonly Published[]>
}

export type FeedsParts = {
  store: Store
  keys: SigningKeys
  hub: Hub
  now(): number
  /** All lists that are to be enforced. */
  enforced(): readonly EnforcedList[]
}

const intervalsUntilEnd = 3
/** A later end is told when it is later by a good part of an interval: each time nodes load the list anew. */
const worthTelling = 0.5

export function openFeeds(parts: FeedsParts): Feeds {
  const { store, hub, now } = parts
  const contents = new Map<string, FeedContent>()
  const signer = openSigner<FeedsClaims, Published>(parts.keys, tokenType.feeds, ({ feeds }) => ({
    feeds: feeds.map(({ published: _, ...feed }): Feed => feed),
  }))
  let known: Promise<Map<string, Published>> | undefined
  const current = () => {
    known ??= readFeeds(store.read).then((all) => new Map(all.map((one) => [one.audience, one])))
    return known
  }
  const inTurn = openTurns()

  const contentOf = async (list: EnforcedList): Promise<FeedContent | undefined> => {
    const made = contents.get(list.name)
    if (!list.content || made?.version === list.content.version) return list.content && made
    const content = await makeContent(list.content.version, list.content.networks())
    contents.set(list.name, content)
    return content
  }
  const work = async () => {
    const lists = parts.enforced()
    const told = await current()
    for (const name of contents.keys())
      if (!lists.some((list) => list.name === name)) contents.delete(name)
    const wished = new Map<string, FeedOffer[]>([...told.keys()].map((audience) => [audience, []]))
    for (const list of lists) {
      const content = await contentOf(list)
      for (const audience of list.audience)
        wished.set(audience, [...(wished.get(audience) ?? []), { list, content }])
    }
    const changes = [...wished].flatMap(
      ([audience, offers]) => compare(told.get(audience), audience, offers, now()) ?? [],
    )
    if (changes.length === 0) return
    await store.write(async (tx) => {
      for (const { next } of changes) await putFeeds(tx, next)
      await appendJournal(
        tx,
        changes.flatMap(({ lines }) => lines),
      )
    })
    for (const { next } of changes) {
      told.set(next.audience, next)
      hub.broadcast(next.audience, eventFrame('feeds', signer(next, now())))
    }
  }

  return {
    look: () => inTurn(work),
    statements: async (audiences) => {
      const told = await current()
      return audiences.flatMap((audience) => {
        const published = told.get(audience)
        return published ? [signer(published, now())] : []
      })
    },
    chunk: async (audiences, feed, digest) => {
      const told = await current()
      const named = audiences
        .flatMap((audience) => told.get(audience)?.feeds ?? [])
        .some((one) => one.feed === feed && one.chunks.includes(digest))
      const text = named ? contents.get(feed)?.chunks.get(digest) : undefined
      if (text !== undefined) return text
      throw new Problem('not_found', `${feed} has no such chunk for this node now`, {
        remedy: 'the stream tells of the newest version; a list that cannot be read yet has none',
      })
    },
    published: async () => [...(await current()).values()],
  }
}

type FeedOffer = { list: EnforcedList; content: FeedContent | undefined }
type Change = { next: Published; lines: JournalEntry[] }

/** What is to be told to the audience, undefined when it was told already. Pure. */
function compare(
  told: Published | undefined,
  audience: string,
  offers: readonly FeedOffer[],
  now: number,
): Change | undefined {
  const version = Math.max((told?.version ?? 0) + 1, now)
  const before = new Map((told?.feeds ?? []).map((feed) => [feed.feed, feed]))
  const feeds = offers.flatMap((offer) => offered(offer, before.get(offer.list.name), version, now))
  const lines = journalLines(audience, before, feeds, now)
  const same = feeds.length === before.size && feeds.every((feed) => before.get(feed.feed) === feed)
  return same ? undefined : { next: { audience, version, feeds }, lines }
}

/** The list as it is told from now on: the one told before when that is still good. None when its end has come. */
function offered(
  { list, content }: FeedOffer,
  before: PublishedFeed | undefined,
  version: number,
  now: number,
): PublishedFeed[] {
  const inForce = before && before.not_after > now ? [before] : []
  if (!list.content || !content) return inForce
  const not_after = list.content.confirmed + intervalsUntilEnd * list.interval
  if (not_after <= now) return inForce
  const chunks = [...content.chunks.keys()]
  const same = before !== undefined && before.chunks.join() === chunks.join()
  if (same && Math.abs(not_after - before.not_after) < list.interval * worthTelling)
    return inForce.length > 0 ? inForce : [{ ...before, version, not_after }]
  const published = same ? before.published : now
  return [{ feed: list.name, version, entries: content.entries, not_after, chunks, published }]
}

/** That a list goes on unchanged is no change that somebody will ask about. */
function journalLines(
  audience: string,
  before: ReadonlyMap<string, PublishedFeed>,
  after: readonly PublishedFeed[],
  at: number,
): JournalEntry[] {
  const entry = (action: string, feed: PublishedFeed, more: object): JournalEntry => ({
    at,
    actor: 'service',
    action,
    subject: feed.feed,
    after: { audience, ...more },
  })
  const left = new Set(before.keys())
  const lines: JournalEntry[] = []
  for (const feed of after) {
    const was = before.get(feed.feed)
    left.delete(feed.feed)
    if (was?.chunks.join() === feed.chunks.join()) continue
    const { version, entries } = feed
    lines.push(entry('feed.publish', feed, { version, entries, before: was?.entries ?? 0 }))
  }
  for (const name of left) {
    const was = before.get(name)
    const why =
      was && was.not_after <= at ? 'its source did not confirm it in time' : 'switched off'
    if (was) lines.push(entry('feed.withdraw', was, { entries: was.entries, why }))
  }
  return lines
}
