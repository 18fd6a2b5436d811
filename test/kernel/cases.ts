/** What every back end does to packets, as data: what is ordered, and which ways are stopped then. */
import type {
  Action,
  AllowAction,
  BlockAction,
  LiftAction,
  LimitAction,
  Rate,
} from '#contract/action.ts'
import { block, decision, lift } from '../agent/signer.ts'

/** Who it is about, another one beside him, networks around him, and a machine behind the node. */
export type Place = {
  readonly family: 'IPv4' | 'IPv6'
  readonly him: string
  readonly neighbour: string
  /** Of him and the neighbour, of a usual length. */
  readonly network: string
  /** Of him without the neighbour, and of both, of lengths that are rare. */
  readonly narrow: string
  readonly wide: string
  readonly behind: string
  readonly node: string
  readonly number: number
}

export const places: readonly Place[] = [
  {
    family: 'IPv4',
    him: '203.0.113.7',
    neighbour: '203.0.113.8',
    network: '203.0.113.0/24',
    narrow: '203.0.113.0/29',
    wide: '203.0.112.0/20',
    behind: '192.0.2.200',
    node: '198.51.100.1',
    number: 0,
  },
  {
    family: 'IPv6',
    him: '2001:db8:a::7',
    neighbour: '2001:db8:a::8',
    network: '2001:db8:a::/64',
    narrow: '2001:db8:a::/125',
    wide: '2001:db8:a::/49',
    behind: '2001:db8:b::1',
    node: '2001:db8:ffff::1',
    number: 100,
  },
]

/**
 * Datagrams to port 4000: his to the node, the node's to him, his through the node, through the node to him, and the
 * neighbour's to the node.
 */
export const paths = ['comes', 'goes', 'passesFrom', 'passesTo', 'neighbour'] as const
export type Path = (typeof paths)[number]

export type Step = {
  readonly orders?: (at: Place) => readonly Action[]
  /** Networks that a list holds in this half. */
  readonly list?: { readonly half: 'a' | 'b'; readonly networks: (at: Place) => readonly string[] }
  readonly never?: (at: Place) => readonly string[]
  /** Who tries to connect is told at once that he may not. */
  readonly told?: true
  /** Of so many packets one after the other, how many pass. */
  readonly counts?: readonly (readonly [path: Path, packets: number, pass: number])[]
  /** Everything else passes. */
  readonly stops?: readonly Path[]
}
export type Case = { readonly name: string; readonly steps: readonly Step[] }

type More<Kind> = Partial<Kind> & { on?: keyof Place }

const of = (at: Place, n: number, { on = 'him', ...more }: { on?: keyof Place }) => ({
  target: String(at[on]),
  ...more,
  decision: decision(n + at.number),
})
const blocked =
  (more: More<BlockAction> = {}, n = 1) =>
  (at: Place): BlockAction => ({ ...block(n), ...of(at, n, more) })
const allowed =
  (more: More<AllowAction> = {}, n = 2) =>
  (at: Place): AllowAction => ({ ...block(n), action: 'allow', ...of(at, n, more) })
const rate: Rate = { packets: 1, per: 'hour', burst: 3 }
const limited =
  (more: More<LimitAction> = {}, n = 3) =>
  (at: Place): LimitAction => ({ ...block(n), action: 'limit', rate, ...of(at, n, more) })
const lifted =
  (n = 1, on: keyof Place = 'him') =>
  (at: Place): LiftAction => ({
    ...lift(n),
    target: String(at[on]),
    decision: decision(n + at.number),
  })
const all =
  (...orders: readonly ((at: Place) => Action)[]) =>
  (at: Place) =>
    orders.map((order) => order(at))

/** One order, and what it stops. */
const simple = (name: string, more: More<BlockAction>, ...stops: Path[]): Case => ({
  name,
  steps: [{ orders: all(blocked(more)), stops }],
})
const ways: Record<'in' | 'out' | 'both' | 'forward', readonly Path[]> = {
  in: ['comes', 'passesFrom'],
  out: ['goes', 'passesTo'],
  both: ['comes', 'goes', 'passesFrom', 'passesTo'],
  forward: ['passesFrom', 'passesTo'],
}
const directions = ['in', 'out', 'both', 'forward'] as const
const udp = { protocol: 'udp' } as const

export const cases: readonly Case[] = [
  ...directions.map((direction) =>
    simple(`a block ${direction} of a host`, { direction }, ...ways[direction]),
  ),
  simple('a block of a network of a usual length', { on: 'network' }, ...ways.in, 'neighbour'),
  simple('a block of a narrow network of a rare length', { on: 'narrow' }, ...ways.in),
  simple('a block of a wide network of a rare length', { on: 'wide' }, ...ways.in, 'neighbour'),
  simple('a block out of a network', { on: 'network', direction: 'out' }, ...ways.out),
  simple('a block of its protocol', udp, ...ways.in),
  simple('a block of another protocol', { protocol: 'tcp' }),
  ...directions.map((direction) =>
    simple(
      `a block ${direction} of its port`,
      { ...udp, ports: ['4000'], direction },
      ...ways[direction],
    ),
  ),
  simple('a block of another port', { ...udp, ports: ['3999', '4001-4010'] }),
  simple('a block of its port among others', { ...udp, ports: ['22', '3990-4000'] }, ...ways.in),
  simple('a block of a wide range of ports', { ...udp, ports: ['1024-65535'] }, ...ways.in),
  simple('a block of a wide range of other ports', { ...udp, ports: ['0-3999', '4001-65535'] }),
  simple(
    'a block of a port of a network',
    { ...udp, ports: ['4000'], on: 'wide' },
    ...ways.in,
    'neighbour',
  ),
  simple('a block by the interface it comes by', { interface: 'v-attacker' }, ...ways.in),
  simple('a block by an interface that begins so', { interface: 'v-att*' }, ...ways.in),
  simple('a block by another interface', { interface: 'v-inner' }),
  simple(
    'a block by the interface it leaves by',
    { interface: 'v-attacker', direction: 'out' },
    ...ways.out,
  ),
  simple(
    'a block forward by an interface',
    { interface: 'v-inner', direction: 'forward' },
    ...ways.forward,
  ),
  simple(
    'a block by interface, protocol and port together',
    { interface: 'v-att*', ...udp, ports: ['4000'] },
    ...ways.in,
  ),
  simple('a block by interface and port, of which one is another', {
    interface: 'v-att*',
    ...udp,
    ports: ['4001'],
  }),
  {
    name: 'a reject in, which tells so',
    steps: [{ orders: all(blocked({ response: 'reject' })), stops: ways.in, told: true }],
  },
  {
    name: 'a reject of both ways',
    steps: [
      {
        orders: all(blocked({ response: 'reject', direction: 'both' })),
        stops: ways.both,
        told: true,
      },
    ],
  },
  {
    name: 'an allow over a block, also of the network around',
    steps: [
      {
        orders: all(blocked({ on: 'network', direction: 'both' }), allowed({ direction: 'both' })),
        stops: ['neighbour'],
      },
      { orders: all(lifted(2)), stops: [...ways.both, 'neighbour'] },
    ],
  },
  {
    name: 'an allow of one port over a block',
    steps: [
      { orders: all(blocked(), allowed({ ...udp, ports: ['4001'] })), stops: ways.in },
      { orders: all(allowed({ ...udp, ports: ['4000'] })), stops: [] },
    ],
  },
  {
    name: 'an allow over a list, a reject and a limit',
    steps: [
      {
        list: { half: 'a', networks: (at) => [at.network] },
        orders: all(
          allowed({ direction: 'both' }),
          blocked({ response: 'reject' }),
          limited({ rate: { ...rate, burst: 1 } }),
        ),
        counts: [['comes', 3, 3]],
        stops: ['neighbour'],
      },
    ],
  },
  {
    name: 'a limit in, which lets its burst through',
    steps: [
      {
        orders: all(limited()),
        counts: [
          ['comes', 5, 3],
          ['neighbour', 5, 5],
          ['goes', 5, 5],
        ],
      },
    ],
  },
  {
    name: 'a limit of a network as a whole',
    steps: [
      {
        orders: all(limited({ on: 'network' })),
        counts: [
          ['comes', 2, 2],
          ['neighbour', 3, 1],
        ],
      },
    ],
  },
  {
    name: 'a limit out',
    steps: [
      {
        orders: all(limited({ direction: 'out' })),
        counts: [
          ['goes', 5, 3],
          ['comes', 5, 5],
        ],
      },
    ],
  },
  {
    name: 'a limit of both ways together',
    steps: [
      {
        orders: all(limited({ direction: 'both' })),
        counts: [
          ['comes', 2, 2],
          ['goes', 3, 1],
        ],
      },
    ],
  },
  {
    name: 'a limit forward',
    steps: [
      {
        orders: all(limited({ direction: 'forward' })),
        counts: [
          ['passesFrom', 2, 2],
          ['passesTo', 3, 1],
        ],
      },
    ],
  },
  {
    name: 'limits of one rate for two ports of one target',
    steps: [
      {
        orders: all(limited({ ...udp, ports: ['4000'] }), limited({ ...udp, ports: ['4001'] }, 4)),
        counts: [['comes', 5, 3]],
      },
    ],
  },
  {
    name: 'a lift',
    steps: [
      { orders: all(blocked()), stops: ways.in },
      { orders: all(lifted()), stops: [] },
    ],
  },
  {
    name: 'a lift of one of two decisions on the same target',
    steps: [
      { orders: all(blocked(), blocked({}, 5)), stops: ways.in },
      { orders: all(lifted()), stops: ways.in },
      { orders: all(lifted(5)), stops: [] },
    ],
  },
  {
    name: 'a decision that is given another scope',
    steps: [
      { orders: all(blocked()), stops: ways.in },
      { orders: all(blocked({ direction: 'forward' })), stops: ways.forward },
      { orders: all(blocked({ ...udp, response: 'reject', direction: 'out' })), stops: ways.out },
    ],
  },
  {
    name: 'lists in either half, both ways',
    steps: [
      {
        list: { half: 'a', networks: (at) => [at.narrow] },
        stops: ways.both,
      },
      {
        list: { half: 'b', networks: (at) => [at.neighbour] },
        stops: [...ways.both, 'neighbour'],
      },
      { list: { half: 'a', networks: () => [] }, stops: ['neighbour'] },
      { list: { half: 'b', networks: () => [] }, stops: [] },
    ],
  },
  {
    name: 'an address that is never blocked',
    steps: [
      {
        orders: all(blocked({ on: 'network', direction: 'both' })),
        stops: [...ways.both, 'neighbour'],
      },
      { never: (at) => [at.him], stops: ['neighbour'] },
      { never: () => [], stops: [...ways.both, 'neighbour'] },
    ],
  },
]

/** What a back end cannot express, which the node refuses; everything else it can. */
export const unsupported: Readonly<Record<string, readonly string[]>> = {}
