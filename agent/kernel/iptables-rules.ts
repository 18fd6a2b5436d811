/** The rules in iptables: where packets are looked up in the sets, and what becomes of those that are found. Pure. */
import { createHash } from 'node:crypto'
import type { Rate } from '#contract/action.ts'
import type { ScopedElement, ScopedWay } from './firewall.ts'
import { asksConnection, type Group } from './ipset-scoped.ts'
import { feedIpset, hitSeconds, neverIpset } from './ipset-sets.ts'
import type { Family } from './iptables-program.ts'
import { numbers } from './scoped.ts'

export type TableName = 'raw' | 'mangle' | 'filter'
export type Tables = Readonly<Partial<Record<TableName, Table>>>
export type Table = {
  readonly chains: Readonly<Record<string, readonly string[]>>
  /** From a chain of the kernel's, at its head. */
  readonly jumps: readonly (readonly [chain: string, rule: string])[]
}

/** A group of scoped orders and the set that holds its members. */
export type Placed = Group & { readonly set: string }

const spots = ['in', 'out', 'from', 'to'] as const
/** As for nftables: coming in, going out from this node itself, or passing, judged by whom it is from and goes to. */
type Spot = (typeof spots)[number]

/** Which ways are asked at each spot: for what is stopped, and for what is let through all the same. */
const asked: Record<Spot, { stops: readonly ScopedWay[]; allows: readonly ScopedWay[] }> = {
  in: { stops: ['in'], allows: ['in', 'forward'] },
  out: { stops: ['out'], allows: ['out'] },
  from: { stops: ['forward'], allows: ['in', 'forward'] },
  to: { stops: ['out', 'forward'], allows: ['out', 'forward'] },
}
/** In the table filter, which alone can reject, nothing was rejected before. */
const rejected: Record<Spot, readonly ScopedWay[]> = {
  in: ['in'],
  out: ['out'],
  from: ['in', 'forward'],
  to: ['out', 'forward'],
}

/** In IPv6 an address of this node is taken for unicast as well. */
const elsewhere = {
  4: '-m addrtype --dst-type UNICAST',
  6: '-m addrtype ! --dst-type LOCAL -m addrtype ! --dst-type MULTICAST',
}

const spotsOf = { raw: ['in', 'out'], mangle: ['from', 'to'] } as const

/**
 * What does not follow from scoped orders. What comes in is looked up before connections are tracked, so that
 * established flows are cut at once; what passes is judged by whom it goes to in the table mangle, the first that sees
 * where it is going.
 */
export function fixedTables(family: Family): Tables {
  return {
    raw: {
      jumps: [
        ['PREROUTING', '! -i lo -j CORDON_IN'],
        ['OUTPUT', '! -o lo -j CORDON_OUT'],
      ],
      chains: {
        CORDON_IN: [...plainLooks(family, 'in', 'in'), '-j CORDON_IN_SCOPED'],
        CORDON_OUT: [...plainLooks(family, 'out', 'out'), '-j CORDON_OUT_SCOPED'],
      },
    },
    mangle: {
      jumps: [['FORWARD', '-j CORDON_FORWARD']],
      chains: {
        CORDON_FORWARD: [
          '-j CORDON_FROM_SCOPED',
          ...plainLooks(family, 'out', 'to'),
          '-j CORDON_TO_SCOPED',
        ],
      },
    },
  }
}

/** The table filter is used only where something is rejected. */
export function scopedTables(family: Family, groups: readonly Placed[]): Tables {
  const here = groups.filter((group) => group.family === family)
  const dropping = (['raw', 'mangle'] as const).map((name) => [
    name,
    {
      jumps: [],
      chains: Object.assign({}, ...spotsOf[name].map((spot) => drops(spot, family, here))),
    },
  ])
  const tables: Tables = Object.fromEntries(dropping)
  if (!here.some(({ verdict }) => verdict === 'reject')) return tables
  return { ...tables, filter: rejecting(family, here) }
}

function rejecting(family: Family, groups: readonly Placed[]): Table {
  return {
    jumps: [
      ['INPUT', '! -i lo -j CORDON_IN_SCOPED'],
      ['FORWARD', '-j CORDON_FORWARD'],
      ['OUTPUT', '! -o lo -j CORDON_OUT_SCOPED'],
    ],
    chains: {
      CORDON_FORWARD: ['-j CORDON_FROM_SCOPED', '-j CORDON_TO_SCOPED'],
      ...Object.assign({}, ...spots.map((spot) => rejects(spot, family, groups))),
    },
  }
}

function plainLooks(family: Family, way: 'in' | 'out', spot: Spot): string[] {
  const sets = [`cordon_${way}${family}`, feedIpset('a', family), feedIpset('b', family)]
  return sets.map((set) => `-m set --match-set ${set} ${side(spot)} -g ${chain(spot, 'DROP')}`)
}

/** What is dropped before what is limited: its count is of what would pass, but for what is only rejected later. */
function drops(spot: Spot, family: Family, groups: readonly Placed[]) {
  const looks = (['drop', 'limit'] as const).flatMap((verdict) =>
    looksFor(spot, verdict, asked[spot].stops, groups, 'raw').map(
      (look) => `${look} -g ${chain(spot, 'DROP')}`,
    ),
  )
  return {
    [chain(spot, 'SCOPED')]: looks,
    [chain(spot, 'DROP')]: [...passes(spot, family, groups, 'raw'), '-j DROP'],
  }
}

function rejects(spot: Spot, family: Family, groups: readonly Placed[]) {
  const looks = looksFor(spot, 'reject', rejected[spot], groups, 'filter')
  const icmp = family === 4 ? '-p icmp --icmp-type' : '-p icmpv6 --icmpv6-type'
  // The answers themselves: what is rejected both ways would else never be told.
  const answers =
    spot === 'out'
      ? ['-p tcp --tcp-flags RST RST -j RETURN', `${icmp} destination-unreachable -j RETURN`]
      : []
  return {
    [chain(spot, 'SCOPED')]: looks.map((look) => `${look} -g ${chain(spot, 'REJECT')}`),
    [chain(spot, 'REJECT')]: [
      ...answers,
      ...passes(spot, family, groups, 'filter'),
      '-p tcp -j REJECT --reject-with tcp-reset',
      `-j REJECT --reject-with ${family === 4 ? 'icmp-admin-prohibited' : 'icmp6-adm-prohibited'}`,
    ],
  }
}

/** Asked only about what is about to be stopped: clean traffic pays nothing for it. */
function passes(
  spot: Spot,
  family: Family,
  groups: readonly Placed[],
  table: 'raw' | 'filter',
): string[] {
  const own = side(spot)
  const allows = asked[spot].allows.flatMap((way) => {
    const passing = spot === 'in' && way === 'forward'
    if (passing && table === 'filter') return []
    // Before it is routed, what passes through is what another machine has the address of.
    const routed = passing ? `${elsewhere[family]} ` : ''
    return looksFor(spot, 'allow', [way], groups, table).map((look) => `${routed}${look} -j RETURN`)
  })
  const last = `-j SET --add-set cordon_last${family} ${own} --exist --timeout ${hitSeconds}`
  return [
    `-m set --match-set ${neverIpset(family)} ${own} -j RETURN`,
    ...allows,
    // Looking there is what counts it, and makes it stand there the first time.
    `-m set ! --match-set cordon_hits${family} ${own} -j SET --add-set cordon_hits${family} ${own}`,
    last,
  ]
}

function looksFor(
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
        portsOf(group, table).map((ports) => look(spot, group, device, ports)),
      ),
    )
}

/**
 * One of them fits where the ports do. In the table filter they may have been translated: what was addressed is known of
 * the connection, and of what belongs to none it is what stands in the packet.
 */
function portsOf(group: Placed, table: 'raw' | 'filter'): string[] {
  const { span } = group
  if (!span) return ['']
  // A range of one port is none to multiport.
  const range = span.low === span.high ? `${span.low}` : `${span.low}:${span.high}`
  const plain = `-m multiport ${span.side === 'destination' ? '--dports' : '--sports'} ${range}`
  if (table === 'raw' || !asksConnection(group)) return [plain]
  return [
    `-m conntrack --ctdir ORIGINAL --ctorigdstport ${range}`,
    `-m conntrack --ctdir REPLY ${plain}`,
    `-m conntrack --ctstate INVALID,UNTRACKED ${plain}`,
  ]
}

function look(spot: Spot, group: Placed, device: string, ports: string): string {
  const { protocol, set, limit } = group
  const dimensions = [side(spot), ...portDimension(group)].join(',')
  return [
    ...(device === '' ? [] : [device]),
    ...(protocol === undefined ? [] : [`-p ${numbers[protocol]}`]),
    ...(ports === '' ? [] : [ports]),
    `-m set --match-set ${set} ${dimensions}`,
    ...(limit ? [above(spot, group, limit)] : []),
  ].join(' ')
}

function portDimension({ side }: Placed): string[] {
  return side === undefined ? [] : [side === 'destination' ? 'dst' : 'src']
}

function above(spot: Spot, { family }: Placed, limit: NonNullable<Group['limit']>): string {
  const { rate, prefix } = limit
  const own = side(spot)
  // Rules of one name count together, and go on counting as long as one of them stays.
  const name = createHash('sha256')
    .update(JSON.stringify([family, own, limit]))
    .digest('hex')
  return [
    `-m hashlimit --hashlimit-above ${rate.packets}/${rate.per} --hashlimit-burst ${rate.burst}`,
    `--hashlimit-mode ${own}ip --hashlimit-${own}mask ${prefix}`,
    `--hashlimit-name c${name.slice(0, 14)} --hashlimit-htable-max 65536`,
    `--hashlimit-htable-expire ${fullAgain(rate)}`,
  ].join(' ')
}

const perMs = { second: 1_000, minute: 60_000, hour: 3_600_000 } as const

/** Milliseconds until a bucket that was emptied is full again: one that is forgotten sooner would be full at once. */
export function fullAgain({ packets, per, burst }: Rate): number {
  return Math.min(2 ** 31 - 1, Math.max(perMs[per], Math.ceil((burst * perMs[per]) / packets)))
}

/** The interfaces that the way is about, where the spot knows them. */
function devices(spot: Spot, group: Placed): string[] {
  if (group.interface === undefined) return ['']
  const name = group.interface.replace(/\*$/, '+')
  if (group.way === 'in') return [`-i ${name}`]
  if (group.way === 'out') return [`-o ${name}`]
  return spot === 'in' ? [`-i ${name}`] : [`-i ${name}`, `-o ${name}`]
}

function side(spot: Spot): 'src' | 'dst' {
  return spot === 'in' || spot === 'from' ? 'src' : 'dst'
}

function chain(spot: Spot, end: 'SCOPED' | 'DROP' | 'REJECT'): string {
  return `CORDON_${spot.toUpperCase()}_${end}`
}
