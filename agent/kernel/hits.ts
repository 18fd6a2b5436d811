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

/** Elements such as `203.0.113.7 counter packets 2 bytes 89 expires 59m59s988ms`; each packet begins the hour anew. */
export function hitsIn(listing: string): Hit[] {
  const element = /([0-9a-f.:]+) counter packets (\d+) bytes \d+ (?:timeout \w+ )?expires (\w+)/g
  return [...listing.matchAll(element)].map(([, address = '', packets, left = '']) => ({
    address,
    packets: Number(packets),
    agoMs: Math.max(0, hitsMs - readDuration(left)),
  }))
}
