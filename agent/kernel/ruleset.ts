/** The nft text of the table: its sets, its chains, and how one version is told from another. */
import type { SetKind } from './firewall.ts'
import { allSets, feedSets, type NeverName, type SetSpec } from './sets.ts'

export const tableName = 'cordon'
/** For people who look at the table; what decides is the comparison in `structureMatches`. */
const structureVersion = 1

const masks: Record<SetKind, string> = {
  hosts4: '',
  nets4_24: ' & 255.255.255.0',
  nets4_16: ' & 255.255.0.0',
  rare4: '',
  hosts6: '',
  nets6_64: ' & ffff:ffff:ffff:ffff::',
  nets6_48: ' & ffff:ffff:ffff::',
  rare6: '',
}
const kindsOf = {
  4: ['hosts4', 'nets4_24', 'nets4_16', 'rare4'],
  6: ['hosts6', 'nets6_64', 'nets6_48', 'rare6'],
} as const satisfies Record<4 | 6, readonly SetKind[]>

type Chain = { name: string; hook?: string; rules: string[] }

/**
 * What comes in is looked up before connection tracking, so that established flows are cut at once. What goes
 * out is looked up in output, and in forward rather than prerouting for other machines' traffic: packets
 * for this machine then pay nothing for it, and an address is judged after translation. The never sets are asked only about
 * what is about to be dropped: there is no other way to a drop, and clean traffic pays nothing for them.
 */
const chains: readonly Chain[] = [
  ...([4, 6] as const).flatMap((family) => [
    refusing(`source${family}`, family, 'saddr'),
    refusing(`target${family}`, family, 'daddr'),
    looking(`in${family}`, family, 'saddr', `source${family}`),
    looking(`out${family}`, family, 'daddr', `target${family}`),
  ]),
  hooked('prerouting', 'iif lo accept', 'in'),
  hooked('forward', undefined, 'out'),
  hooked('output', 'oif lo accept', 'out'),
]

/** Makes the table whole where there is none. */
export function makeTable(): string {
  return [
    `add table inet ${tableName} { comment "cordon structure ${structureVersion}"; }`,
    ...allSets.map((spec) => printSet(tableName, spec)),
    ...chains.map(
      ({ name, hook }) => `add chain inet ${tableName} ${name}${hook ? ` ${hook}` : ''}`,
    ),
    ...chains.map(({ name }) => `flush chain inet ${tableName} ${name}`),
    ...chains.flatMap(({ name, rules }) =>
      rules.map((rule) => `add rule inet ${tableName} ${name} ${rule}`),
    ),
    '',
  ].join('\n')
}

/** Whatever is there goes and a new table comes, in the same transaction as the elements that follow. */
export function remakeTable(): string {
  return removeTable() + makeTable()
}

/** No error where there is none. */
export function removeTable(table = tableName): string {
  return `add table inet ${table}\ndelete table inet ${table}\n`
}

export function printSet(table: string, spec: SetSpec): string {
  const flags = flagsOf(spec)
  return (
    `add set inet ${table} ${spec.name} { type ipv${spec.family}_addr; flags ${flags.join(', ')}; ` +
    `size ${spec.size};${spec.timeout ? ' gc-interval 60s;' : ''} }`
  )
}

/**
 * Whether the table that `nft -j -t list table` shows can be mended in place: the same sets and chains, of the
 * same kind, and none besides. Rules are not compared, they are written anew each time.
 */
export function structureMatches(listing: unknown): boolean {
  const found = entriesOf(listing).flatMap(signature).sort()
  const wanted = [...allSets.map(setSignature), ...chains.map(chainSignature)].sort()
  return found.length === wanted.length && found.every((one, index) => one === wanted[index])
}

function refusing(name: string, family: 4 | 6, side: 'saddr' | 'daddr'): Chain {
  const never: NeverName = `never${family}`
  return { name, rules: [`${protocol(family)} ${side} @${never} return`, 'drop'] }
}

function looking(name: string, family: 4 | 6, side: 'saddr' | 'daddr', refuse: string): Chain {
  const way = side === 'saddr' ? 'in' : 'out'
  const blocks = kindsOf[family].map((kind) => `${side}${masks[kind]} @${way}_${kind}`)
  const feeds = (['a', 'b'] as const)
    .flatMap(feedSets)
    .filter((set) => set.startsWith(`feeds${family}`))
  const rules = [...blocks, ...feeds.map((set) => `${side} @${set}`)].map(
    (look) => `${protocol(family)} ${look} goto ${refuse}`,
  )
  return { name, rules }
}

function hooked(name: string, first: string | undefined, way: 'in' | 'out'): Chain {
  return {
    name,
    hook: `{ type filter hook ${name} priority -300; policy accept; }`,
    rules: [
      ...(first === undefined ? [] : [first]),
      `meta nfproto ipv4 goto ${way}4`,
      `meta nfproto ipv6 goto ${way}6`,
    ],
  }
}

function protocol(family: 4 | 6): string {
  return family === 4 ? 'ip' : 'ip6'
}

function flagsOf(spec: SetSpec): string[] {
  return [...(spec.prefix === undefined ? ['interval'] : []), ...(spec.timeout ? ['timeout'] : [])]
}

function setSignature(spec: SetSpec): string {
  const gc = spec.timeout ? 60 : 0
  return `set ${spec.name} ipv${spec.family}_addr ${flagsOf(spec)} ${spec.size} ${gc}`
}

function chainSignature({ name, hook }: Chain): string {
  return hook ? `chain ${name} filter ${name} -300 accept` : `chain ${name}`
}

function signature(entry: Record<string, unknown>): string[] {
  const set = entry.set
  if (isRecord(set))
    return [
      `set ${set.name} ${set.type} ${[set.flags].flat().sort()} ${set.size} ${set['gc-interval'] ?? 0}`,
    ]
  const chain = entry.chain
  if (!isRecord(chain)) return 'map' in entry || 'flowtable' in entry ? ['stranger'] : []
  const base = `chain ${chain.name}`
  return [
    chain.hook === undefined
      ? base
      : `${base} ${chain.type} ${chain.hook} ${chain.prio} ${chain.policy}`,
  ]
}

function entriesOf(listing: unknown): Record<string, unknown>[] {
  const entries = isRecord(listing) ? listing.nftables : undefined
  return Array.isArray(entries) ? entries.filter(isRecord) : []
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
