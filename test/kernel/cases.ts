/** What every back end does to packets, as data: what is ordered, and which ways are stopped then. */
import type {
  Action,
  AllowAction,
  BlockAction,
  LiftAction,
  LimitAction,
  Rate,
  Scope,
} from '#contract/action.ts'
import { block, decision, lift } from '../agent/signer.ts'

/** Who it is about, another one beside him, networks around him, and machines behind the node on two sides. */
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
  /** By the same interface as `behind`, and the network of both. */
  readonly beside: string
  readonly inner: string
  /** By an interface of its own. */
  readonly beyond: string
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
    beside: '192.0.2.201',
    inner: '192.0.2.192/26',
    beyond: '192.0.2.70',
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
    beside: '2001:db8:b::2',
    inner: '2001:db8:b::/64',
    beyond: '2001:db8:c::1',
    node: '2001:db8:ffff::1',
    number: 100,
  },
]

/**
 * Datagrams to port 4000: his to the node, the node's to him, his through the node, through the node to him, and the
 * neighbour's to the node.
 */
export const paths = ['comes', 'goes', 'passesFrom', 'passesTo', 'neighbour'] as const
/** And by both ends: the neighbour's through the node, his to the machine beside and to the one beyond, and from there. */
const pathsOfEnds = [
  ...(['comes', 'goes', 'passesFrom', 'passesTo', 'neighbour'] as const),
  ...(['neighbourFrom', 'toBeside', 'toBeyond', 'fromBeyond'] as const),
] as const
export type Path = (typeof pathsOfEnds)[number]

export type Step = {
  readonly orders?: (at: Place) => readonly Action[]
  /** Networks that a list holds in this half. */
  readonly list?: { readonly half: 'a' | 'b'; readonly networks: (at: Place) => readonly string[] }
  readonly never?: (at: Place) => readonly string[]
  /** Who tries to connect is told at once that he may not. */
  readonly told?: true
  /** Of so many packets one after the other, how many pass. */
  readonly counts?: readonly (readonly [path: Path, packets: number, pass: number])[]
  /** Everything else passes, of all the ways or of these. */
  readonly stops?: readonly Path[]
  readonly among?: readonly Path[]
}
export type Case = { readonly name: string; readonly steps: readonly Step[] }

/** On whom, and to whom. */
type Who = { on?: keyof Place; to?: keyof Place }
type More<Kind> = Partial<Kind> & Who
type Ends = Partial<Scope> & Who

const of = (at: Place, n: number, { on = 'him', to, ...more }: Who) => ({
  target: String(at[on]),
  ...(to === undefined ? {} : { peer: String(at[to]) }),
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
/** The same, by both ends. */
const between = (name: string, more: More<BlockAction>, ...stops: Path[]): Case => ({
  name,
  steps: [{ orders: all(blocked(more)), stops, among: pathsOfEnds }],
})
const ways: Record<'in' | 'out' | 'both' | 'forward', readonly Path[]> = {
  in: ['comes', 'passesFrom'],
  out: ['goes', 'passesTo'],
  both: ['comes', 'goes', 'passesFrom', 'passesTo'],
  forward: ['passesFrom', 'passesTo'],
}
const directions = ['in', 'out', 'both', 'forward'] as const
const udp = { protocol: 'udp' } as const

/** What comes from him by one interface and leaves for the machine behind by another. */
const whole: Ends = {
  ...{ direction: 'forward_from', interface: 'v-attacker' },
  ...{ to: 'behind', peer_interface: 'v-inner' },
}
const port: Ends = { ...udp, ports: ['4000'] }
const fromHim: readonly Path[] = ['comes', 'passesFrom', 'toBeside', 'toBeyond']
const besides = (not: readonly Path[]) => pathsOfEnds.filter((path) => !not.includes(path))

const narrowed: readonly { how: string; more: More<BlockAction> }[] = [
  { how: '', more: {} },
  { how: ', a protocol', more: udp },
  { how: ', a port', more: port },
  {
    how: ', a port and interfaces that begin so',
    more: { ...port, interface: 'v-att*', peer_interface: 'v-inn*' },
  },
  { how: ', told so', more: { ...port, response: 'reject' } },
]

/** By both ends of a packet, and one way of what passes through. */
const casesOfEnds: readonly Case[] = [
  between(
    'a block of what passes from a host',
    { direction: 'forward_from' },
    'passesFrom',
    'toBeside',
    'toBeyond',
  ),
  between(
    'a block of what passes to a host',
    { direction: 'forward_to' },
    'passesTo',
    'fromBeyond',
  ),
  between(
    'a block forward_from to a peer',
    { direction: 'forward_from', to: 'behind' },
    'passesFrom',
  ),
  between('a block forward_to from a peer', { direction: 'forward_to', to: 'behind' }, 'passesTo'),
  between(
    'a block forward with a peer',
    { direction: 'forward', to: 'behind' },
    'passesFrom',
    'passesTo',
  ),
  between('a block in to a peer behind', { to: 'behind' }, 'passesFrom'),
  between('a block in to the node itself', { to: 'node' }, 'comes'),
  between('a block in to the node itself by a port', { to: 'node', ...port }, 'comes'),
  between('a block in to the node itself by another port', { to: 'node', ...udp, ports: ['4001'] }),
  between('a block out from a peer behind', { direction: 'out', to: 'behind' }, 'passesTo'),
  between('a block out from the node itself', { direction: 'out', to: 'node', ...udp }, 'goes'),
  between('a block both ways with the node', { direction: 'both', to: 'node' }, 'comes', 'goes'),
  between(
    'a block of a network with a network',
    { on: 'network', direction: 'forward_from', to: 'inner' },
    'passesFrom',
    'toBeside',
    'neighbourFrom',
  ),
  between(
    'a block forward_from by the interface it comes by',
    { direction: 'forward_from', interface: 'v-att*' },
    'passesFrom',
    'toBeside',
    'toBeyond',
  ),
  between('a block forward_from by the interface it leaves by, as if it came by it', {
    direction: 'forward_from',
    interface: 'v-inner',
  }),
  between(
    'a block forward_to by the interface it leaves by',
    { direction: 'forward_to', interface: 'v-attacker' },
    'passesTo',
    'fromBeyond',
  ),
  between(
    'a block forward_from to an interface',
    { direction: 'forward_from', peer_interface: 'v-inner' },
    'passesFrom',
    'toBeside',
  ),
  between(
    'a block forward_from to another interface',
    { direction: 'forward_from', peer_interface: 'v-out*' },
    'toBeyond',
  ),
  between(
    'a block forward with an interface of the peer',
    { direction: 'forward', peer_interface: 'v-inner' },
    'passesFrom',
    'toBeside',
    'passesTo',
  ),
  between('a block forward with the interface of the target as that of the peer', {
    direction: 'forward',
    peer_interface: 'v-attacker',
  }),
  between(
    'a block forward with both interfaces',
    { direction: 'forward', interface: 'v-attacker', peer_interface: 'v-inner' },
    'passesFrom',
    'toBeside',
    'passesTo',
  ),
  between('a block forward with both interfaces, each as the other', {
    direction: 'forward',
    interface: 'v-inner',
    peer_interface: 'v-attacker',
  }),
  between(
    'a block forward by an interface with a peer',
    { direction: 'forward', interface: 'v-inner', to: 'inner' },
    'passesFrom',
    'toBeside',
    'passesTo',
  ),
  ...narrowed.map(({ how, more }) =>
    between(`a block by both ends and both interfaces${how}`, { ...whole, ...more }, 'passesFrom'),
  ),
  between('a block by both ends and both interfaces, of which it comes by another', {
    ...whole,
    ...port,
    interface: 'v-outer',
  }),
  between('a block by both ends and both interfaces, of which it leaves by another', {
    ...whole,
    ...port,
    peer_interface: 'v-outer',
  }),
  between(
    'a block by both ends and both interfaces, whose source is another',
    { ...whole, ...port, on: 'neighbour' },
    'neighbourFrom',
  ),
  between(
    'a block by both ends and both interfaces, whose destination is another',
    { ...whole, ...port, to: 'beside' },
    'toBeside',
  ),
  between('a block by both ends and both interfaces, whose port is another', {
    ...whole,
    ...udp,
    ports: ['4001'],
  }),
  between(
    'a block by both ends and both interfaces of what passes to a host',
    { ...whole, ...port, direction: 'forward_to' },
    'passesTo',
  ),
  {
    name: 'blocks by both ends that overlap, until one is lifted',
    steps: [
      {
        orders: all(
          blocked({ ...whole, ...port, to: 'inner' }),
          blocked({ ...whole, ...udp, ports: ['3000-5000'], on: 'network', interface: 'v-*' }, 5),
          blocked({ ...whole, ...port, to: 'inner', peer_interface: 'v-outer' }, 6),
        ),
        stops: ['passesFrom', 'neighbourFrom', 'toBeside'],
        among: pathsOfEnds,
      },
      { orders: all(lifted()), stops: ['passesFrom', 'neighbourFrom'], among: pathsOfEnds },
    ],
  },
  {
    name: 'limits by both ends, one way and both ways together',
    steps: [
      {
        orders: all(limited(whole)),
        counts: [
          ['passesFrom', 5, 3],
          ['passesTo', 4, 4],
          ['toBeside', 4, 4],
        ],
      },
    ],
  },
  {
    name: 'a limit forward by both ends, a port and both interfaces',
    steps: [
      {
        orders: all(limited({ ...whole, ...port, direction: 'forward' })),
        counts: [
          ['passesFrom', 2, 2],
          ['passesTo', 3, 1],
          ['toBeyond', 4, 4],
        ],
      },
    ],
  },
  {
    name: 'an allow of what passes between two, over a block',
    steps: [
      {
        orders: all(
          blocked({ direction: 'both' }),
          allowed({ direction: 'forward', to: 'behind' }),
        ),
        stops: ['comes', 'goes', 'toBeside', 'toBeyond', 'fromBeyond'],
        among: pathsOfEnds,
      },
      {
        orders: all(allowed({ ...port, direction: 'forward_from', to: 'inner' })),
        stops: ['comes', 'goes', 'passesTo', 'toBeyond', 'fromBeyond'],
        among: pathsOfEnds,
      },
    ],
  },
  {
    name: 'an allow by both ends and both interfaces over a block, then by another interface',
    steps: [
      {
        orders: all(blocked({ direction: 'both' }), allowed(whole)),
        stops: ['comes', 'goes', 'passesTo', 'toBeside', 'toBeyond', 'fromBeyond'],
        among: pathsOfEnds,
      },
      {
        orders: all(allowed({ ...whole, ...port, to: 'inner', peer_interface: 'v-inn*' })),
        stops: ['comes', 'goes', 'passesTo', 'toBeyond', 'fromBeyond'],
        among: pathsOfEnds,
      },
      {
        orders: all(allowed({ ...whole, peer_interface: 'v-outer' })),
        stops: besides(['neighbour', 'neighbourFrom']),
        among: pathsOfEnds,
      },
      { orders: all(lifted()), stops: [], among: pathsOfEnds },
      { orders: all(blocked(), lifted(2)), stops: fromHim, among: pathsOfEnds },
    ],
  },
  {
    name: 'an allow of what leaves by an interface, over a list, a block of the network and a reject',
    steps: [
      {
        list: { half: 'a', networks: (at) => [at.network] },
        orders: all(
          blocked({ on: 'network' }),
          blocked({ response: 'reject' }, 5),
          allowed({ direction: 'forward_from', peer_interface: 'v-inner' }),
        ),
        stops: besides(['passesFrom', 'toBeside']),
        among: pathsOfEnds,
      },
    ],
  },
  {
    name: 'an allow of what passes by an interface, over a block of a port',
    steps: [
      {
        orders: all(blocked(port), allowed({ direction: 'forward', interface: 'v-inner' })),
        stops: ['comes', 'toBeyond'],
        among: pathsOfEnds,
      },
    ],
  },
  {
    name: 'a limit of what is not allowed by its interface, which counts each packet once',
    steps: [
      {
        orders: all(limited(), allowed(whole)),
        counts: [
          ['toBeyond', 5, 3],
          ['passesFrom', 4, 4],
        ],
      },
    ],
  },
  {
    name: 'an allow of a pair over a list',
    steps: [
      {
        list: { half: 'a', networks: (at) => [at.network] },
        orders: all(allowed({ direction: 'both', to: 'node' })),
        stops: besides(['comes', 'goes']),
        among: pathsOfEnds,
      },
    ],
  },
]

export const cases: readonly Case[] = [
  ...casesOfEnds,
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
