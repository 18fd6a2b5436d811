/** Takes out what the back end ipset left: standing rules, and blocks with the sensor beside them. */
import { ipsetFirewall } from './ipset.ts'
import type { Ipset } from './ipset-program.ts'
import { blockIpsets } from './ipset-sets.ts'
import type { Iptables } from './iptables-program.ts'
import { iptablesPostureTable } from './posture-iptables.ts'
import { isPostureSet } from './posture-iptables-sets.ts'
import { ipsetSensorTable } from './sensor-ipset.ts'

/** `sets` are the names of those that there are. */
export async function clearSets(
  sets: ReadonlySet<string>,
  ipset: Ipset,
  iptables: Iptables,
): Promise<void> {
  if ([...sets].some(isPostureSet)) await iptablesPostureTable(ipset, iptables).remove()
  if (!blockIpsets.some(({ name }) => sets.has(name))) return
  await ipsetSensorTable(ipset, iptables).remove()
  await ipsetFirewall(ipset, iptables).clear()
}
