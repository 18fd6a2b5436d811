/** Blocks of hosts straight into the kernel of this namespace, as many as a measurement wants there. */
import { type Address, readAddress } from '#contract/address.ts'
import { chooseFirewall } from '../../agent/kernel/choose.ts'
import type { Firewall, Put, Remove } from '../../agent/kernel/firewall.ts'
import { attacker } from './load.ts'

/** How figures call a number of blocks. */
export const sizes = { '0': 0, '1k': 1_000, '10k': 10_000, '100k': 100_000, '1m': 1_000_000 }
export type Size = keyof typeof sizes
export const sizeNames: readonly Size[] = ['0', '1k', '10k', '100k', '1m']

/** Attackers from here on are never blocked by `put`: clean traffic comes from them. */
export const firstClean = 100_000
const hourMs = 3_600_000

/** The fastest back end there is, with a table and nothing in it: as at a node that has no list either. */
export async function openFirewall(): Promise<Firewall> {
  const firewall = await chooseFirewall({ enforce: true, print: () => {}, now: Date.now })
  await firewall.prepare()
  await Promise.all((['a', 'b'] as const).map((half) => firewall.emptyFeeds(half)))
  return firewall
}

/** The nth host: an attacker first, then hosts that no network routes (RFC 6598), from which nothing is sent. */
export function blockedHost(n: number): Address {
  if (n < firstClean) return readAddress(attacker(n))
  return readAddress(`100.${64 + (n >> 16)}.${(n >> 8) & 255}.${n & 255}`)
}

export function put(n: number): Put {
  return { op: 'put', set: 'in_hosts4', address: blockedHost(n), timeoutMs: hourMs }
}

export function remove(n: number): Remove {
  return { op: 'remove', set: 'in_hosts4', address: blockedHost(n) }
}

/** Adds the hosts `from` to `to - 1`; a piece at a time, so that a million need no room here. */
export async function fill(firewall: Firewall, from: number, to: number): Promise<void> {
  for (let at = from; at < to; at += 50_000)
    await firewall.apply(
      Array.from({ length: Math.min(50_000, to - at) }, (_, index) => put(at + index)),
    )
}
