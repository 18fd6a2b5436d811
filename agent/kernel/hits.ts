/** Reads what was stopped, by address and by scoped element: the counters right before each drop. */
import { z } from 'zod'
import type { Hit } from './firewall.ts'
import { type Nft, readDuration } from './nft.ts'
import { hitSets, hitsMs, tableName } from './ruleset.ts'

/** A call for each: some versions of nft find only the last of several sets that are asked for at once. */
export async function readHits(nft: Nft): Promise<Hit[]> {
  const found = await Promise.all(
    hitSets.map(async ({ side, name }) => {
      const listing = await nft.list('list', 'set', 'inet', tableName, name)
      return listing === undefined ? [] : hitsIn(listing).map((hit) => ({ side, ...hit }))
    }),
  )
  return found.flat()
}

/** What the counters of these sets show, by their marks. A set that is not there shows nothing. */
export async function readCounters(
  nft: Nft,
  sets: readonly string[],
): Promise<Map<string, number>> {
  const shown = new Map<string, number>()
  for (const set of sets) {
    const listing = await nft.list('-j', 'list', 'set', 'inet', tableName, set)
    for (const [mark, packets] of listing === undefined ? [] : countersIn(listing))
      shown.set(mark, Math.max(packets, shown.get(mark) ?? 0))
  }
  return shown
}

const Listing = z.object({
  nftables: z.array(
    z.looseObject({ set: z.looseObject({ elem: z.array(z.unknown()) }).optional() }),
  ),
})
const Counted = z.object({
  elem: z.object({ comment: z.string(), counter: z.object({ packets: z.number() }) }),
})

/** Marks with packets, of a listing as JSON. */
export function countersIn(listing: string): [mark: string, packets: number][] {
  const { success, data } = Listing.safeParse(JSON.parse(listing))
  return (success ? data.nftables : [])
    .flatMap(({ set }) => set?.elem ?? [])
    .flatMap((one): [string, number][] => {
      const read = Counted.safeParse(one)
      return read.success ? [[read.data.elem.comment, read.data.elem.counter.packets]] : []
    })
}

/** Of elements such as `203.0.113.7 counter packets 2 bytes 89 expires 59m59s988ms`; versions differ in the order. */
export function hitsIn(listing: string): Omit<Hit, 'side'>[] {
  const begin = listing.indexOf('elements = {')
  if (begin < 0) return []
  const elements = listing.slice(listing.indexOf('{', begin) + 1, listing.indexOf('}', begin))
  return elements.split(',').flatMap((text) => {
    const address = /^\s*([0-9a-f.:]+)\s/.exec(text)?.[1]
    const packets = Number(/ packets (\d+)/.exec(text)?.[1])
    const left = / expires (\w+)/.exec(text)?.[1]
    if (address === undefined || left === undefined || !(packets > 0)) return []
    // Each packet begins the hour anew.
    return [{ address, packets, agoMs: Math.max(0, hitsMs - readDuration(left)) }]
  })
}
