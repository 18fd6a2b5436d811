/** The addresses of this machine and of where it is reached, which no policy and no person may have blocked. */
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os'
import { maybeAddress } from '#contract/address.ts'

/** How long a reading holds: addresses change rarely, and each change of the list is parsed anew. */
const keptMs = 30_000

/** The same array until an address comes or goes. */
export function ownAddresses(
  now: () => number,
  publicUrl?: string,
  read: () => NodeJS.Dict<NetworkInterfaceInfo[]> = networkInterfaces,
): () => readonly string[] {
  const reachedAt = publicUrl === undefined ? [] : addressIn(publicUrl)
  let known: readonly string[] = []
  let at = Number.NEGATIVE_INFINITY
  return () => {
    if (now() - at < keptMs) return known
    at = now()
    const addresses = Object.values(read()).flatMap((entries) => entries ?? [])
    const local = addresses.map(({ address }) => address.replace(/%.*/, ''))
    const fresh = [...new Set([...local, ...reachedAt])].sort()
    if (fresh.join() !== known.join()) known = fresh
    return known
  }
}

/** A balancer may stand there, which is no interface of this machine. A name is nothing that could be blocked. */
function addressIn(url: string): string[] {
  const address = maybeAddress(new URL(url).hostname.replace(/^\[|\]$/g, ''))
  return address ? [address.text] : []
}
