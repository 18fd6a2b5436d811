/** Every way to the kernel, also as an older kernel would need it. */
import type { Proven } from '../../agent/kernel/carrier.ts'
import type { Firewall } from '../../agent/kernel/firewall.ts'
import { readingHits } from '../../agent/kernel/hits-dump.ts'
import { netlinkCarrier } from '../../agent/kernel/netlink.ts'
import { nftCarrier, nftProgram } from '../../agent/kernel/nft.ts'
import { prove } from '../../agent/kernel/proof.ts'
import { kernelFirewall } from '../../agent/kernel/table.ts'
import { watchTable } from '../../agent/kernel/watch.ts'

let proven: Promise<Proven> | undefined
const old = { destroy: false, renew: false }
const expresses = { scopes: true, reject: true }

type BackEnd = { name: string; packets: boolean; make: () => Promise<Firewall> }

export const backEnds: readonly BackEnd[] = [
  {
    name: 'netlink',
    packets: true,
    make: async () => {
      const nft = nftProgram()
      const proven = await prove(netlinkCarrier(), nft)
      return readingHits(kernelFirewall(proven, nft, { hear: watchTable }))
    },
  },
  {
    name: 'netlink on a kernel that has no destroy and does not renew times',
    packets: true,
    make: async () =>
      kernelFirewall({ carrier: netlinkCarrier(), can: old, expresses }, nftProgram()),
  },
  {
    name: 'nft',
    packets: true,
    make: async () => {
      const nft = nftProgram()
      const carrier = nftCarrier(nft)
      // Proved once: its self-test starts nft some thirty times.
      proven ??= prove(carrier, nft)
      return kernelFirewall({ ...(await proven), carrier }, nft, { hear: watchTable })
    },
  },
  {
    name: 'nft on a kernel that does not renew times',
    // The packets that nft stops are tried above; this is about what it is told.
    packets: false,
    make: async () => {
      const nft = nftProgram()
      return kernelFirewall({ carrier: nftCarrier(nft), can: old, expresses }, nft)
    },
  },
]
