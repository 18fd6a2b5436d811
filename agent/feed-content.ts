/** What of a list goes into the kernel: never what this node protects, however the list came by it. Pure but for reading. */
import { type Address, specialNetworks } from '#contract/address.ts'
import { printable } from '#contract/printable.ts'
import type { ChunkFolder } from './chunk-folder.ts'
import { feedKey, type HeldFeed } from './feed-memory.ts'
import type { Protected } from './guard.ts'
import type { FeedElement } from './kernel/firewall.ts'
import { readNetworks } from './networks.ts'
import { inOrder, layAll, networksIn, type Stretch, stretchOf, without } from './stretch.ts'

/** The service leaves wider ones out; who signs instead of it shall not cut off a continent with one line. */
const widestInFeed = { 4: 8, 6: 19 } as const

/** What was left out of a list, for a person to read. */
export type Spared = { wide: number; touched: Set<string> }

/** A list whose chunks on the disk are not what they were. */
export class DamagedFeed extends Error {
  readonly feed: HeldFeed

  constructor(feed: HeldFeed, cause: unknown) {
    super(`the list ${feed.feed} cannot be read`, { cause })
    this.feed = feed
  }
}

export type ContentOn = {
  folder: Pick<ChunkFolder, 'read'>
  here: readonly Protected[]
  now(): number
}

/**
 * All lists laid over one another, each address until the latest end, without what is protected. Read and worked out
 * bit by bit as it is taken; `spared` is told by list. Throws DamagedFeed while it is taken.
 */
export function* feedElements(
  on: ContentOn,
  feeds: readonly HeldFeed[],
  spared: Map<string, Spared>,
): Generator<FeedElement> {
  const here = on.here.map(({ address, why }) => ({ ...stretchOf(address, 0), why }))
  here.sort((a, b) => (a.from < b.from ? -1 : Number(a.from > b.from)))
  const special = specialNetworks().map((network) => stretchOf(network, 0))
  const cut = inOrder([...special, ...here.map(({ from, to, end }) => ({ from, to, end }))])
  const layers = feeds.map((feed) => {
    const seen: Spared = { wide: 0, touched: new Set() }
    spared.set(feedKey(feed), seen)
    return noticing(stretches(on, feed, seen), here, seen)
  })
  for (const stretch of without(layAll(layers), cut))
    for (const address of networksIn(stretch))
      yield { address, timeoutMs: Math.ceil(stretch.end - on.now()) }
}

export function printSpared({ wide, touched }: Spared): string | undefined {
  const parts = [
    ...(wide > 0 ? [`${wide} networks wider than this node allows were left out`] : []),
    ...(touched.size > 0 ? [`cut out as protected: ${[...touched].slice(0, 5).join(', ')}`] : []),
  ]
  return parts.length > 0 ? printable(parts.join('; '), 300) : undefined
}

function* stretches(on: ContentOn, feed: HeldFeed, spared: Spared): Generator<Stretch> {
  for (const network of networksOf(on, feed))
    if (network.prefix < widestInFeed[network.family]) spared.wide++
    else yield stretchOf(network, feed.not_after)
}

function* networksOf({ folder }: ContentOn, feed: HeldFeed): Generator<Address> {
  try {
    yield* readNetworks(feed.chunks, folder)
  } catch (error) {
    throw new DamagedFeed(feed, error)
  }
}

/** Lets them pass, and notes what of the protected they touch. Both are in order. */
function* noticing(
  all: Iterable<Stretch>,
  here: readonly (Stretch & { why: string })[],
  { touched }: Spared,
): Generator<Stretch> {
  let first = 0
  for (const one of all) {
    while ((here[first]?.to ?? one.to) <= one.from) first++
    for (let at = first; (here[at]?.from ?? one.to) < one.to; at++)
      if ((here[at]?.to ?? one.from) > one.from) touched.add(here[at]?.why ?? '')
    yield one
  }
}
