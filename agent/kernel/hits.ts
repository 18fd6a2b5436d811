/** Reads which addresses still hit what stops them: the counters right before each drop. */
import type { Hit } from './firewall.ts'
import { type Nft, readDuration } from './nft.ts'
import { hitsMs, tableName } from './ruleset.ts'

/** Two calls: some versions of nft find only the last of several sets that are asked for at once. */
export async function readHits(nft: Nft): Promise<Hit[]> {
  const listings = await Promise.all(
    ([4, 6] as const).map((family) => nft.list('list', 'set', 'inet', tableName, `hits${family}`)),
  )
  return listings.flatMap((listing) => (listing === undefined ? [] : hitsIn(listing)))
}

/** Of elements such as `203.0.113.7 counter packets 2 bytes 89 expires 59m59s988ms`; versions differ in the order. */
export function hitsIn(listing: string): Hit[] {
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
