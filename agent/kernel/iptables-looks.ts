/** The rules that look one packet up in one set, and what they ask of it besides. Pure. */
import { createHash } from 'node:crypto'
import type { ScopedElement, ScopedWay } from './firewall.ts'
import { fullAgain } from './hashlimit.ts'
import { asksConnection, type Group } from './ipset-scoped.ts'
import { feedIpset } from './ipset-sets.ts'
import type { Family } from './iptables-program.ts'
import { numbers } from './scoped.ts'

/** A group of scoped orders and the set that holds its members. */
export type Placed = Group & { readonly set: string }

export const spots = ['in', 'out', 'from', 'to'] as const
/** As for nftables: coming in, going out from this node itself, or passing, judged by whom it is from and goes to. */
export type Spot = (typeof spots)[number]

/**
 * Before it is routed, what passes through is what another machine has the address of. In IPv6 an address of this node is
 * taken for unicast as well, and so is the one that each router of a network has.
 */
export const elsewhere = {
  4: '-m addrtype --dst-type UNICAST',
  6: ['LOCAL', 'ANYCAST', 'MULTICAST'].map((type) => `-m addrtype ! --dst-type ${type}`).join(' '),
}

export function plainLooks(family: Family, way: 'in' | 'out', spot: Spot): string[] {
  const sets = [`cordon_${way}${family}`, feedIpset('a', family), feedIpset('b', family)]
  return sets.map((set) => `-m set --match-set ${set} ${side(spot)} -g ${chain(spot, 'PLAIN')}`)
}

export function looksFor(
  spot: Spot,
  verdict: ScopedElement['verdict'],
  ways: readonly ScopedWay[],
  groups: readonly Placed[],
  table: 'raw' | 'filter',
): string[] {
  return groups
    .filter((group) => group.verdict === verdict && ways.includes(group.way))
    .flatMap((group) =>
      devices(spot, group).flatMap((device) =>
        endsOf(spot, group, table).map((ends) =>
          joined(
            inSet(spot, group, device, ends),
            isStopping(group) ? '! --update-counters' : '',
            group.limit ? above(spot, group, group.limit) : '',
          ),
        ),
      ),
    )
}

/**
 * The same look-ups as rules that lead nowhere: where nothing lets a packet pass any more, they count it. By one of two
 * interfaces that may be meant it is counted only where it was not by the other.
 */
export function countsFor(
  spot: Spot,
  verdict: ScopedElement['verdict'],
  ways: readonly ScopedWay[],
  groups: readonly Placed[],
  table: 'raw' | 'filter',
): string[] {
  return groups
    .filter((group) => group.verdict === verdict && ways.includes(group.way))
    .flatMap((group) =>
      devices(spot, group).flatMap((device, index, all) =>
        endsOf(spot, group, table).map((ends) =>
          inSet(spot, group, joined(...all.slice(0, index).map((one) => `! ${one}`), device), ends),
        ),
      ),
    )
}

/** What is allowed is not counted. */
export function isStopping({ verdict }: Pick<Placed, 'verdict'>): boolean {
  return verdict !== 'allow'
}

/**
 * The peer and the ports, where the rule has them; one of these fits where they do. In the table filter they may have
 * been translated: what was addressed is known of the connection, and of what belongs to none it is what stands in the
 * packet.
 */
function endsOf(spot: Spot, group: Placed, table: 'raw' | 'filter'): string[] {
  const { peer, span } = group
  const here = peer === undefined ? '' : `${side(spot) === 'src' ? '-d' : '-s'} ${peer}`
  // A range of one port is none to multiport.
  const range = span && (span.low === span.high ? `${span.low}` : `${span.low}:${span.high}`)
  const ports = span
    ? `-m multiport ${span.side === 'destination' ? '--dports' : '--sports'} ${range}`
    : ''
  const inPacket = joined(here, ports)
  if (table === 'raw' || !asksConnection(group) || inPacket === '') return [inPacket]
  const conntrack = (direction: 'ORIGINAL' | 'REPLY', ...words: string[]) =>
    joined(`-m conntrack --ctdir ${direction}`, ...words)
  return [
    conntrack('ORIGINAL', option('--ctorigdst', peer), option('--ctorigdstport', range)),
    conntrack('REPLY', option('--ctrepldst', peer), ports),
    joined('-m conntrack --ctstate INVALID,UNTRACKED', inPacket),
  ]
}

function option(name: string, value: string | undefined): string {
  return value === undefined ? '' : `${name} ${value}`
}

function joined(...words: readonly string[]): string {
  return words.filter((word) => word !== '').join(' ')
}

function inSet(spot: Spot, group: Placed, device: string, ends: string): string {
  const { protocol, set } = group
  const dimensions = [side(spot), ...portDimension(group)].join(',')
  return joined(
    device,
    option('-p', protocol && `${numbers[protocol]}`),
    ends,
    `-m set --match-set ${set} ${dimensions}`,
  )
}

function portDimension({ side }: Placed): string[] {
  return side === undefined ? [] : [side === 'destination' ? 'dst' : 'src']
}

/** Without a mode all packets have one count. */
function above(spot: Spot, { family }: Placed, limit: NonNullable<Group['limit']>): string {
  const { rate } = limit
  const own = 'name' in limit ? undefined : side(spot)
  // Rules of one name count together, and go on counting as long as one of them stays. As the first that comes lays down
  // how it counts, all that says so is in the name.
  const name = createHash('sha256')
    .update(JSON.stringify([family, own ?? 'both', limit]))
    .digest('hex')
  return joined(
    `-m hashlimit --hashlimit-above ${rate.packets}/${rate.per} --hashlimit-burst ${rate.burst}`,
    'name' in limit ? '' : `--hashlimit-mode ${own}ip --hashlimit-${own}mask ${limit.prefix}`,
    `--hashlimit-name c${name.slice(0, 14)} --hashlimit-htable-max 65536`,
    `--hashlimit-htable-expire ${fullAgain(rate)}`,
  )
}

/** The interfaces that the way is about, where the spot knows them: of one of these. */
function devices(spot: Spot, { way, interface: own, peerInterface: peers }: Placed): string[] {
  const from = option('-i', read(own))
  const to = option('-o', read(own))
  if (way === 'in') return [from]
  if (way === 'out') return [to]
  const isEither = way === 'forward' && own !== undefined && peers === undefined
  if (spot === 'in') return [isEither ? '' : from]
  if (isEither) return [from, to]
  return [
    spot === 'from'
      ? joined(from, option('-o', read(peers)))
      : joined(option('-i', read(peers)), to),
  ]
}

function read(device: string | undefined): string | undefined {
  return device?.replace(/\*$/, '+')
}

export function side(spot: Spot): 'src' | 'dst' {
  return spot === 'in' || spot === 'from' ? 'src' : 'dst'
}

export function chain(spot: Spot, end: 'SCOPED' | 'PLAIN' | 'DROP' | 'LIMIT' | 'REJECT'): string {
  return `CORDON_${spot.toUpperCase()}_${end}`
}
