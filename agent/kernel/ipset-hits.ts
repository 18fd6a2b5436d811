/** Which addresses were stopped of late: packets from the one set, the time of the last of them from the other. */
import type { Hit } from './firewall.ts'
import type { Ipset } from './ipset-program.ts'
import { hitNames, hitSeconds } from './ipset-sets.ts'

const every = [
  ['in', 4],
  ['in', 6],
  ['out', 4],
  ['out', 6],
] as const

/** What has not come for an hour is forgotten here: its count has no time of its own. */
export async function readIpsetHits(ipset: Ipset): Promise<Hit[]> {
  const hits: Hit[] = []
  for (const [side, family] of every) {
    const { counts, lasts } = hitNames(side, family)
    const packets = await ipset.save(counts)
    const last = await ipset.save(lasts)
    if (packets === undefined || last === undefined) continue
    const left = new Map(read(last, / timeout (\d+)/))
    const gone: string[] = []
    for (const [address, count] of read(packets, / packets (\d+)/)) {
      const seconds = left.get(address)
      if (seconds === undefined) gone.push(`del ${counts} ${address}`)
      else
        hits.push({
          ...{ side, address, packets: count },
          agoMs: Math.max(0, hitSeconds - seconds) * 1_000,
        })
    }
    await ipset.run(gone)
  }
  return hits
}

/** Members of a set that have counted something. */
export async function readCounts(
  ipset: Ipset,
  set: string,
): Promise<[member: string, packets: number][]> {
  const saved = (await ipset.save(set)) ?? ''
  return [...saved.matchAll(/^add \S+ (\S+) .*?packets ([1-9]\d*)/gm)].map(
    ([, member = '', packets]) => [member, Number(packets)],
  )
}

function read(saved: string, number: RegExp): [address: string, number: number][] {
  return saved.split('\n').flatMap((line): [string, number][] => {
    const [verb, , address] = line.split(' ')
    const found = number.exec(line)?.[1]
    return verb === 'add' && address !== undefined && found !== undefined
      ? [[address, Number(found)]]
      : []
  })
}
