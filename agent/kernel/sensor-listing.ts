/** The sensor's sets as nft lists them, where netlink cannot be spoken: the same answers, whole seconds, more work. */
import { z } from 'zod'
import { maybeAddress } from '#contract/address.ts'
import type { FoundElement } from './message.ts'
import type { Nft } from './nft.ts'
import type { SetDump } from './set-dump.ts'

const Part = z.union([z.string(), z.number()])
const Listed = z.object({
  elem: z.object({
    val: z.union([z.object({ concat: z.array(Part) }), Part]),
    expires: z.number().optional(),
  }),
})
const Listing = z.object({
  nftables: z.array(z.object({ set: z.object({ elem: z.array(Listed).optional() }).optional() })),
})

export function listingDump(nft: Nft): SetDump {
  return {
    async elements(table, set) {
      const listing = await nft.list('-j', 'list', 'set', 'inet', table, set)
      return listing === undefined ? undefined : readListing(JSON.parse(listing))
    },
    close() {},
  }
}

/** Keys as netlink gives them: each part padded to four bytes. */
function readListing(listing: unknown): FoundElement[] {
  return Listing.parse(listing)
    .nftables.flatMap(({ set }) => set?.elem ?? [])
    .map(({ elem }) => ({
      key: keyOf(typeof elem.val === 'object' ? elem.val.concat : [elem.val]),
      expiresMs: elem.expires === undefined ? undefined : elem.expires * 1_000,
    }))
}

function keyOf(parts: readonly (string | number)[]): Buffer {
  return Buffer.concat(
    parts.map((part) => {
      const address = typeof part === 'string' ? maybeAddress(part) : undefined
      if (address) return address.bytes
      const padded = Buffer.alloc(4)
      if (typeof part === 'number') padded.writeUInt16BE(part & 0xffff)
      else padded[0] = part === 'udp' ? 17 : 6
      return padded
    }),
  )
}
