/** The rules in iptables: where packets are looked up in the sets, and what becomes of those that are found. Pure. */
import type { ScopedWay } from './firewall.ts'
import { hitNames, hitSeconds, neverIpset } from './ipset-sets.ts'
import { type Chains, judgedAgain, judging, judgingChain } from './iptables-again.ts'
import {
  chain,
  countsFor,
  elsewhere,
  looksFor,
  type Placed,
  plainLooks,
  type Spot,
  side,
  spots,
} from './iptables-looks.ts'
import type { Family } from './iptables-program.ts'

export type TableName = 'raw' | 'mangle' | 'filter'
export type Tables = Readonly<Partial<Record<TableName, Table>>>
export type Table = {
  readonly chains: Readonly<Record<string, readonly string[]>>
  /** From a chain of the kernel's, at its head. */
  readonly jumps: readonly (readonly [chain: string, rule: string])[]
}

/** Which ways are asked at each spot: for what is stopped, and for what is let through all the same. */
const asked: Record<Spot, { stops: readonly ScopedWay[]; allows: readonly ScopedWay[] }> = {
  in: { stops: ['in'], allows: ['in', 'forward', 'forward_from'] },
  out: { stops: ['out'], allows: ['out'] },
  from: { stops: ['forward', 'forward_from'], allows: ['in', 'forward', 'forward_from'] },
  to: { stops: ['out', 'forward', 'forward_to'], allows: ['out', 'forward', 'forward_to'] },
}
/** In the table filter, which alone can reject, nothing was rejected before. */
const rejected: Record<Spot, readonly ScopedWay[]> = {
  in: ['in'],
  out: ['out'],
  from: ['in', 'forward', 'forward_from'],
  to: ['out', 'forward', 'forward_to'],
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
  const chainsOf = (name: 'raw' | 'mangle'): Chains =>
    Object.assign({}, ...spotsOf[name].map((spot) => drops(spot, family, here)))
  const mangle = chainsOf('mangle')
  const tables: Tables = {
    raw: { jumps: [], chains: chainsOf('raw') },
    // What was let through to another machine may have been led to this node itself.
    mangle: {
      jumps: judgingChain in mangle ? [['INPUT', `! -i lo -j ${judgingChain}`]] : [],
      chains: mangle,
    },
  }
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

/** What is dropped before what is limited: its count is of what would pass, but for what is only rejected later. */
function drops(spot: Spot, family: Family, groups: readonly Placed[]): Chains {
  const stops = (verdict: 'drop' | 'limit') =>
    looksFor(spot, verdict, asked[spot].stops, groups, 'raw').map(
      (look) => `${look} -g ${chain(spot, verdict === 'drop' ? 'DROP' : 'LIMIT')}`,
    )
  const again = judgedAgain(family, groups)
  const passing = spot === 'in' ? again.looks : []
  const isAgain = spot === 'from' && again.looks.length > 0
  const counted = [...asked[spot].stops, ...(isAgain ? (['in'] as const) : [])]
  const counting = (verdict: 'drop' | 'limit') => countsFor(spot, verdict, counted, groups, 'raw')
  const allows = passes(spot, family, groups, spot === 'from' ? again.table : 'raw')
  const [drops, limits] = [counting('drop'), counting('limit')]
  return {
    [chain(spot, 'SCOPED')]: [
      ...(isAgain ? [`-j ${judgingChain}`] : []),
      ...stops('drop'),
      ...(again.limits ? passing.map((look) => `${look} -j RETURN`) : []),
      ...stops('limit'),
    ],
    [chain(spot, 'PLAIN')]: [...allows, ...hits(spot, family), ...drops, '-j DROP'],
    ...(drops.length > 0 ? { [chain(spot, 'DROP')]: [...allows, ...drops, '-j DROP'] } : {}),
    // Of several limits that would each stop a packet each counts it, though one may have had room for it.
    ...(limits.length > 0 ? { [chain(spot, 'LIMIT')]: [...allows, ...limits, '-j DROP'] } : {}),
    ...(spot === 'from' ? judging(family, groups, again) : {}),
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
      ...countsFor(spot, 'reject', rejected[spot], groups, 'filter'),
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
    const passing = spot === 'in' && way !== 'in'
    if (passing && table === 'filter') return []
    const routed = passing ? `${elsewhere[family]} ` : ''
    return looksFor(spot, 'allow', [way], groups, table).map((look) => `${routed}${look} -j RETURN`)
  })
  return [`-m set --match-set ${neverIpset(family)} ${own} -j RETURN`, ...allows]
}

/** Look-ups of those who are allowed to come, in the table filter. */
export function letIn(hook: 'INPUT' | 'FORWARD', groups: readonly Placed[]): string[] {
  const spot = hook === 'INPUT' ? 'in' : 'from'
  const ways: readonly ScopedWay[] = hook === 'INPUT' ? ['in'] : asked.from.allows
  return looksFor(spot, 'allow', ways, groups, 'filter')
}

/** By address, of plain blocks. */
function hits(spot: Spot, family: Family): string[] {
  const own = side(spot)
  const { counts, lasts } = hitNames(own === 'src' ? 'in' : 'out', family)
  return [
    // Looking there is what counts it, and makes it stand there the first time.
    `-m set ! --match-set ${counts} ${own} -j SET --add-set ${counts} ${own}`,
    `-j SET --add-set ${lasts} ${own} --exist --timeout ${hitSeconds}`,
  ]
}
