/** The sets of the kernel that stand for those of the interface, and the lines that make and fill them. */
import { type Address, isHost, networkAt } from '#contract/address.ts'
import type { FeedHalf, Put, SetName } from './firewall.ts'
import type { Family } from './iptables-program.ts'
import { setSpec } from './sets.ts'

/**
 * One set a family and way, for hosts and networks of every length: a network may stand beside what is in it, each with
 * a time of its own, and one swap changes all at once. A packet is looked up once for each length that is in use.
 */
export type IpsetSpec = {
  readonly name: string
  readonly type: 'hash:net' | 'hash:ip' | 'hash:net,port'
  readonly family: Family
  readonly most: number
  readonly more: string
}

/** Seconds that an address is remembered after the last of its packets that was stopped. */
export const hitSeconds = 3_600
/** What the kernel takes as a time, just short of 25 days. What lasts longer is put again before, with all the rest. */
const longestSeconds = 2_147_483

const families = [4, 6] as const
const net = (name: string, family: Family, most: number, more = 'timeout 0'): IpsetSpec => ({
  ...{ name, family, most, more },
  type: 'hash:net',
})

export const blockIpsets = families.flatMap((family) =>
  (['in', 'out'] as const).map((way) => net(`cordon_${way}${family}`, family, 4_194_304)),
)

const neverIpsets = families.map((family) => net(`cordon_never${family}`, family, 65_536, ''))

const feedIpsets = families.flatMap((family) =>
  (['a', 'b'] as const).map((half) => net(`cordon_feeds${family}_${half}`, family, 2_621_440)),
)

/**
 * Packets are counted in the one; the other knows when the last came: to put an element again, which renews its time,
 * would begin its count anew.
 */
const hitIpsets = families.flatMap((family) =>
  (['in', 'out'] as const).flatMap((side): IpsetSpec[] => {
    const { counts, lasts } = hitNames(side, family)
    const own = { family, type: 'hash:ip', most: 65_536 } as const
    return [
      { ...own, name: counts, more: 'counters' },
      { ...own, name: lasts, more: `timeout ${hitSeconds}` },
    ]
  }),
)

/** `in` is of what comes from an address, `out` of what goes there. */
export function hitNames(side: 'in' | 'out', family: Family): { counts: string; lasts: string } {
  return { counts: `cordon_hits_${side}${family}`, lasts: `cordon_last_${side}${family}` }
}

export const allIpsets: readonly IpsetSpec[] = [
  ...blockIpsets,
  ...neverIpsets,
  ...feedIpsets,
  ...hitIpsets,
]

/** Those of standing rules are another's (posture-iptables-sets.ts). */
export function isOurs(name: string): boolean {
  return name.startsWith('cordon_') && !name.startsWith('cordon_rules_')
}

export function ipsetOf(set: SetName): string {
  return `cordon_${set.startsWith('in_') ? 'in' : 'out'}${setSpec(set).family}`
}

export function feedIpset(half: FeedHalf, family: Family): string {
  return `cordon_feeds${family}_${half}`
}

export function neverIpset(family: Family): string {
  return `cordon_never${family}`
}

/** `as` is another name for it. Room for `count` elements is made at once, which is faster than growing. */
export function create(spec: IpsetSpec, as: string = spec.name, count = 0): string {
  const { type, family, most, more } = spec
  const size = Math.max(1_024, 2 ** Math.ceil(Math.log2(Math.max(1, count / 4))))
  const words = ['create', as, type, 'family', family === 4 ? 'inet' : 'inet6']
  return [...words, 'hashsize', size, 'maxelem', most, ...(more ? [more] : [])].join(' ')
}

/**
 * Fills a set anew: everything is there before it takes the place of what was, in one step. `count` elements, whose lines
 * name the set `fresh`.
 */
export function refill(
  spec: IpsetSpec,
  lines: readonly string[],
): { fill: string[]; swap: string[] } {
  const fresh = freshName(spec.name)
  return {
    fill: [create(spec, fresh, lines.length), `flush ${fresh}`, ...lines],
    swap: [`swap ${fresh} ${spec.name}`, `destroy ${fresh}`],
  }
}

export function freshName(name: string): string {
  return `${name}_new`
}

export function addLine(set: string, element: string, timeoutMs: number | undefined): string {
  return timeoutMs === undefined
    ? `add ${set} ${element}`
    : `add ${set} ${element} timeout ${wholeSeconds(timeoutMs)}`
}

/** A put whose time is over removes. */
export function putLine(
  set: string,
  { address, timeoutMs }: Pick<Put, 'address' | 'timeoutMs'>,
): string {
  return timeoutMs > 0 ? addLine(set, address.text, timeoutMs) : `del ${set} ${address.text}`
}

/** Upwards, and never nought, which would be for ever. A node whose agent runs removes at the very end. */
function wholeSeconds(ms: number): number {
  return Math.min(longestSeconds, Math.max(1, Math.ceil(ms / 1_000)))
}

/** All addresses are no network to ipset, but their two halves are. */
export function holdable(address: Address): readonly Address[] {
  if (address.prefix > 0 || isHost(address)) return [address]
  const upper = Uint8Array.from(address.bytes)
  upper[0] = 0x80
  return [networkAt(address.bytes, 1), networkAt(upper, 1)]
}
