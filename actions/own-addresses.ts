/** The addresses of this machine, which no policy and no person may have blocked. */
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os'

/** How long a reading holds: addresses change rarely, and each change of the list is parsed anew. */
const keptMs = 30_000

/** The same array until an address comes or goes. */
export function ownAddresses(
  now: () => number,
  read: () => NodeJS.Dict<NetworkInterfaceInfo[]> = networkInterfaces,
): () => readonly string[] {
  let known: readonly string[] = []
  let at = Number.NEGATIVE_INFINITY
  return () => {
    if (now() - at < keptMs) return known
    at = now()
    const addresses = Object.values(read()).flatMap((entries) => entries ?? [])
    const fresh = [...new Set(addresses.map(({ address }) => address.replace(/%.*/, '')))].sort()
    if (fresh.join() !== known.join()) known = fresh
    return known
  }
}
