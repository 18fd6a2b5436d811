/** What another back end left in the kernel: blocks and standing rules that no change would reach any more. */
import { removePosture } from '../posture-script.ts'
import type { Firewall } from './firewall.ts'
import { ipsetFirewall } from './ipset.ts'
import type { Ipset } from './ipset-program.ts'
import { blockIpsets } from './ipset-sets.ts'
import type { Iptables } from './iptables-program.ts'
import type { Nft } from './nft.ts'
import { iptablesPostureTable } from './posture-iptables.ts'
import { isPostureSet } from './posture-iptables-sets.ts'
import { removeTable } from './ruleset.ts'
import { ipsetSensorTable } from './sensor-ipset.ts'

/** They go when this one holds what is wished, so that nothing is missing meanwhile. */
export function withoutLeftovers(firewall: Firewall, clear: () => Promise<void>): Firewall {
  let left = true
  const clearOnce = async () => {
    if (!left) return
    left = false
    // What cannot be taken out ends by the kernel's times, and the next change tries again.
    await clear().catch(() => {
      left = true
    })
  }
  return {
    ...firewall,
    async apply(changes) {
      await firewall.apply(changes)
      await clearOnce()
    },
    async replace(elements) {
      await firewall.replace(elements)
      await clearOnce()
    },
  }
}

export async function clearIpset(ipset: Ipset, iptables: Iptables): Promise<void> {
  const sets = await ipset.headers()
  if ([...sets.keys()].some(isPostureSet)) await iptablesPostureTable(ipset, iptables).remove()
  if (!blockIpsets.some(({ name }) => sets.has(name))) return
  await ipsetSensorTable(ipset, iptables).remove()
  await ipsetFirewall(ipset, iptables).clear()
}

/** Where there is no nft there is no telling, and no tables that an agent of today has made. */
export async function clearTable(nft: Nft): Promise<void> {
  await nft.run(removeTable() + removePosture())
}
