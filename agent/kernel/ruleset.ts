/** The nft text of the table: its sets, its chains, and how one version is told from another. */
import { plainLooks } from './plain-looks.ts'
import { againChain, scopedChains } from './scoped-rules.ts'
import { type Found, firstRules, foundScoped } from './scoped-script.ts'
import { type AnySet, allSets, type SetSpec } from './sets.ts'

export const tableName = 'cordon'
/** For people who look at the table; what decides is the comparison in `structureMatches`. */
const structureVersion = 3

type Chain = { name: string; hook?: string; rules: string[] }

/** How long an address is remembered after the last of its packets that was stopped. */
export const hitsMs = 3_600_000

/** Sets of the addresses whose packets were stopped, filled right before they are. */
export const hitSets = (['in', 'out'] as const).flatMap((side) =>
  ([4, 6] as const).map((family) => ({
    side,
    name: `hits_${side}${family}`,
    type: `ipv${family}_addr`,
    seconds: hitsMs / 1_000,
    size: 65_536,
  })),
)

/**
 * What comes in is looked up before connection tracking, so that established flows are cut at once. What goes
 * out is looked up in output, and in forward rather than prerouting for other machines' traffic: packets
 * for this machine then pay nothing for it, and an address is judged after translation. The never sets are asked only about
 * what is about to be dropped: there is no other way to a drop, and clean traffic pays nothing for them. Where a look-up
 * leads to a chain that is not here, the rules of that follow from the scoped orders. Every set is asked here; look-ups into
 * what holds nothing are taken out later.
 */
const chains: readonly Chain[] = [
  ...lookUpChains(new Set(allSets.map(({ name }) => name))),
  hooked('prerouting', 'iif lo accept', 'in'),
  hooked('forward', undefined, 'forward'),
  hooked('output', 'oif lo accept', 'out'),
]

/** Which lead to a drop: the rules ask these sets, and some in any case. */
function lookUpChains(asked: ReadonlySet<AnySet>): Chain[] {
  const isAsked = (set: AnySet) => asked.has(set)
  return ([4, 6] as const).flatMap((family): Chain[] => [
    {
      name: `in${family}`,
      rules: [...plainLooks(family, 'in', 'in', isAsked), `jump scoped_in${family}`],
    },
    {
      name: `out${family}`,
      rules: [...plainLooks(family, 'out', 'out', isAsked), `jump scoped_out${family}`],
    },
    {
      name: `forward${family}`,
      rules: [
        `jump scoped_from${family}`,
        ...plainLooks(family, 'out', 'to', isAsked),
        `jump scoped_to${family}`,
      ],
    },
  ])
}

/** From now on the rules ask these sets. */
export function lookUpRules(asked: ReadonlySet<AnySet>): string {
  return [...writeRules(lookUpChains(asked)), ''].join('\n')
}

/** Makes the table whole where there is none. */
export function makeTable(table = tableName): string {
  return mendTable(table) + firstRules(table)
}

/** Makes what is missing of a table of this structure. What follows from scoped orders is left as it is. */
export function mendTable(table = tableName): string {
  return [
    `add table inet ${table} { comment "cordon structure ${structureVersion}"; }`,
    ...allSets.map((spec) => printSet(table, spec)),
    ...hitSets.map(
      ({ name, type, seconds, size }) =>
        `add set inet ${table} ${name} { type ${type}; flags dynamic, timeout; timeout ${seconds}s; size ${size}; }`,
    ),
    ...scopedChains.map((name) => `add chain inet ${table} ${name}`),
    ...chains.map(({ name, hook }) => `add chain inet ${table} ${name}${hook ? ` ${hook}` : ''}`),
    ...writeRules(chains, table),
    '',
  ].join('\n')
}

function writeRules(all: readonly Chain[], table = tableName): string[] {
  return [
    ...all.map(({ name }) => `flush chain inet ${table} ${name}`),
    ...all.flatMap(({ name, rules }) =>
      rules.map((rule) => `add rule inet ${table} ${name} ${rule}`),
    ),
  ]
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
  const entries = entriesOf(listing)
  const scoped = new Set(foundScoped(entries).map(({ name }) => name))
  const found = entries.flatMap((entry) => signature(entry, scoped)).sort()
  const wanted = [
    ...allSets.map(setSignature),
    ...hitSets.map(
      ({ name, type, seconds, size }) => `set ${name} ${type} timeout ${size} 0 ${seconds}`,
    ),
    ...chains.map(chainSignature),
    ...scopedChains.map((name) => `chain ${name}`),
  ].sort()
  return found.length === wanted.length && found.every((one, index) => one === wanted[index])
}

function hooked(name: string, first: string | undefined, way: string): Chain {
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

function flagsOf(spec: SetSpec): string[] {
  return [...(spec.prefix === undefined ? ['interval'] : []), ...(spec.timeout ? ['timeout'] : [])]
}

function setSignature(spec: SetSpec): string {
  const gc = spec.timeout ? 60 : 0
  return `set ${spec.name} ipv${spec.family}_addr ${flagsOf(spec)} ${spec.size} ${gc} 0`
}

function chainSignature({ name, hook }: Omit<Chain, 'rules'>): string {
  return hook ? `chain ${name} filter ${name} -300 accept` : `chain ${name}`
}

/** What follows from scoped orders may be there or not. */
function signature(entry: Record<string, unknown>, scoped: ReadonlySet<string>): string[] {
  const named = [entry.set, entry.map, entry.limit].find(isRecord)
  if (typeof named?.name === 'string' && scoped.has(named.name)) return []
  const set = entry.set
  if (isRecord(set)) {
    // Some versions of nft name "dynamic", some do not.
    const flags = [set.flags].flat().filter((flag) => flag !== 'dynamic')
    const times = `${set['gc-interval'] ?? 0} ${set.timeout ?? 0}`
    return [`set ${set.name} ${set.type} ${flags.sort()} ${set.size} ${times}`]
  }
  const chain = entry.chain
  if (!isRecord(chain)) {
    const strange = ['map', 'flowtable', 'limit', 'counter', 'quota'].some((kind) => kind in entry)
    return strange ? ['stranger'] : []
  }
  const base = `chain ${chain.name}`
  const { type, hook, prio, policy } = chain
  const printed = hook === undefined ? base : `${base} ${type} ${hook} ${prio} ${policy}`
  return printed === chainSignature({ name: againChain, hook: againChain }) ? [] : [printed]
}

/** What of scoped orders a listing shows. */
export function scopedIn(listing: unknown): Found[] {
  return foundScoped(entriesOf(listing))
}

function entriesOf(listing: unknown): Record<string, unknown>[] {
  const entries = isRecord(listing) ? listing.nftables : undefined
  return Array.isArray(entries) ? entries.filter(isRecord) : []
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
