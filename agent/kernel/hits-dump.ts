/** Reads who was stopped by netlink: nft is a process for each set, more than all else that an idle agent does. */
import { networkAt } from '#contract/address.ts'
import { eachAttribute, readAttributes } from './bytes.ts'
import type { Firewall, Hit } from './firewall.ts'
import { refused } from './refusal.ts'
import { hitSets, hitsMs, tableName } from './ruleset.ts'
import { openSetReader, type SetReader } from './set-dump.ts'
import { oneAtATime } from './turns.ts'

/** NFTA_SET_ELEM_LIST_ELEMENTS, NFTA_SET_ELEM_* */
const elements = 3
const part = { key: 1, expiration: 5, expression: 7 } as const
/** NFTA_DATA_VALUE, NFTA_EXPR_DATA, NFTA_COUNTER_PACKETS */
const value = 1
const data = 2
const packetsPart = 2

/** The same firewall. What the kernel answers otherwise than expected is asked of nft, as ever. */
export function readingHits(firewall: Firewall, open: () => SetReader = openSetReader): Firewall {
  let reader: SetReader | undefined
  const turn = oneAtATime()
  const read = async () => {
    reader ??= open()
    return readHits(reader)
  }
  return {
    ...firewall,
    hits: () => turn(read).catch(() => firewall.hits()),
    async close() {
      reader?.close()
      await firewall.close()
    },
  }
}

async function readHits(reader: SetReader): Promise<Hit[]> {
  // An element is told twice where another came before it while the kernel went through the set.
  const found = new Map<string, Hit>()
  for (const { side, name } of hitSets)
    await reader.read(tableName, name, (body) => {
      for (const hit of hitsInBody(body))
        if (hit.packets > 0) found.set(`${side} ${hit.address}`, { side, ...hit })
    })
  return [...found.values()]
}

/** Throws `kernel_refused` for an element without key, counter or end. */
function* hitsInBody(body: Buffer): Generator<Omit<Hit, 'side'>> {
  const list = readAttributes(body.subarray(4)).get(elements)
  for (const [, bytes] of eachAttribute(list ?? Buffer.alloc(0))) {
    const parts = readAttributes(bytes)
    const key = within(parts.get(part.key), value)
    const packets = within(within(parts.get(part.expression), data), packetsPart)
    const left = parts.get(part.expiration)
    if (!key || !packets || !left) throw refused(0, 'cannot read what was stopped')
    yield {
      address: networkAt(key, key.length * 8).text,
      packets: Number(packets.readBigUInt64BE()),
      // Each packet begins the hour anew.
      agoMs: Math.max(0, hitsMs - Number(left.readBigUInt64BE())),
    }
  }
}

function within(nest: Buffer | undefined, type: number): Buffer | undefined {
  return nest && readAttributes(nest).get(type)
}
