/** How the kernel comes from the scoped orders that it holds to those that are wished, as nft text. Pure. */
import type { Rate } from '#contract/action.ts'
import {
  type Field,
  type HeldSet,
  isScopedRate,
  isScopedSet,
  markOf,
  nothingScoped,
  type ScopedSet,
  type ScopedState,
} from './scoped.ts'
import { againChain, asksAgain, scopedChains, scopedRules } from './scoped-rules.ts'
import { printTimeout } from './script.ts'
import { kernelTime } from './transaction.ts'

/** Elements that a set may come to hold, with slack for what has ended. */
const size = 65_536

/** Of a table that is there: the scoped sets, maps and rates that its listing shows, and the chain that may be there. */
export type Found = { readonly kind: 'set' | 'map' | 'limit' | 'chain'; readonly name: string }

export function foundScoped(entries: readonly Record<string, unknown>[]): Found[] {
  return entries.flatMap((entry) =>
    (['set', 'map', 'limit', 'chain'] as const).flatMap((kind): Found[] => {
      const name = nameOf(entry[kind])
      const ours = isOurs(kind, name)
      return ours && name !== undefined ? [{ kind, name }] : []
    }),
  )
}

function isOurs(kind: Found['kind'], name: string | undefined): boolean {
  if (kind === 'chain') return name === againChain
  return kind === 'limit' ? isScopedRate(name) : isScopedSet(name)
}

/** What stands in the table of scoped orders: what is known of it, and what was only found there. */
export type Standing = {
  readonly state: ScopedState
  /** By the name of a set without its turn the one with it. */
  readonly names: ReadonlyMap<string, string>
  readonly found: readonly Found[]
  /** Whether the rules are those that follow from the state. */
  readonly known: boolean
}

/** A table that was made just now. */
export const freshStanding: Standing = {
  state: nothingScoped,
  names: new Map(),
  found: [],
  known: true,
}

/** Whether what is found is what is known to stand, by its names. */
export function isAll(found: readonly Found[], { names, state, known, found: more }: Standing) {
  const chain = asksAgain(state.sets.values()) ? [againChain] : []
  const all = [...names.values(), ...state.rates.keys(), ...chain]
  const there = new Set(found.map(({ name }) => name))
  const same = all.length === there.size && all.every((name) => there.has(name))
  return known && more.length === 0 && same
}

type ScopedChange = {
  readonly scripts: string[]
  readonly standing: Standing
  /** Sets that count and go, under their names in the kernel: what they show is to be read before. */
  readonly leaving: readonly string[]
  /** Sets that are made, without their turn. */
  readonly made: ReadonlySet<string>
}

/** The turns of a set take the place of each other. */
const turns = ['a', 'b'] as const

/**
 * What is to be run, one after the other, and what then stands. A set that only grows is added to. Another one is made
 * anew beside the old, since the kernel works through a whole set for each element taken out of it; only when it is
 * full do the rules turn to it, as the kernel shows new rules a moment before new elements. Where both turns of a set
 * were found, as an agent leaves them that ends between the two scripts, one script does it all. Counts of rates that
 * stay go on. Who is let through to be judged again, and shall be no longer, is so no more before that judgement goes, and
 * who shall be from now on is so only when it is there: a packet may be between the two.
 */
export function changeScoped(
  table: string,
  standing: Standing,
  wanted: ScopedState,
  now: number,
): ScopedChange {
  const { state, found, known } = standing
  const names = new Map(standing.names)
  const filling = [...wanted.rates]
    .filter(([name]) => !state.rates.has(name))
    .map(([name, rate]) => addRate(table, name, rate))
  const leaving: Found[] = [
    ...found.filter(({ kind }) => kind === 'set' || kind === 'map'),
    ...[...state.sets.values()].flatMap((set): Found[] => {
      const name = standing.names.get(set.name)
      if (name === undefined || grows(set, wanted.sets.get(set.name))) return []
      names.delete(set.name)
      return [{ kind: kindOf(set), name }]
    }),
  ]
  const made = new Set<string>()
  let turned = !known || leaving.length > 0
  let crowded = false
  for (const set of wanted.sets.values()) {
    const there = names.get(set.name)
    const free = freeName(set.name, leaving)
    const name = there ?? free ?? `${set.name}_${turns[0]}`
    crowded ||= !there && !free
    if (!there) {
      filling.push(addSet(table, set, name))
      made.add(set.name)
      turned = true
    }
    names.set(set.name, name)
    const before = there === undefined ? undefined : state.sets.get(set.name)?.elements
    const news = [...set.elements].filter(([key]) => !before?.has(key))
    if (news.length > 0) filling.push(addElements(table, set, name, news, now))
  }
  const stale = [
    ...found.flatMap(({ kind, name }) => (kind === 'limit' ? [name] : [])),
    ...state.rates.keys(),
  ].filter((name) => !wanted.rates.has(name))
  const hooked = asksAgain(state.sets.values()) || found.some(({ kind }) => kind === 'chain')
  const unhooked = hooked && !asksAgain(wanted.sets.values())
  const chains = [...scopedChains, ...(hooked ? [againChain] : [])]
  const clearing = [
    ...(turned ? chains.map((chain) => `flush chain inet ${table} ${chain}`) : []),
    ...(unhooked ? [remove(table, { kind: 'chain', name: againChain })] : []),
    ...leaving.map((one) => remove(table, one)),
    ...stale.map((name) => remove(table, { kind: 'limit', name })),
  ]
  const rules = turned ? scopedRules(table, named(wanted, names)) : []
  const between = named(wanted, names).flatMap((set) => {
    if (!set.isAgain) return [set]
    const before = standing.names.get(`again${set.family}`)
    return before === undefined ? [] : before === set.name ? [set] : [{ ...set, name: before }, set]
  })
  const first = hooked && turned ? comingRules(table, scopedRules(table, between)) : []
  const scripts = crowded
    ? [[...clearing, ...filling, ...rules]]
    : [filling, first, [...clearing, ...rules]]
  return {
    scripts: scripts.filter((one) => one.length > 0).map(lines),
    standing: { state: wanted, names, found: [], known: true },
    leaving: leaving.flatMap(({ name }) => (isCounting(name) ? [name] : [])),
    made,
  }
}

/** The sets that count, under their names in the kernel. */
export function countingSets({ names }: Standing): string[] {
  return [...names.values()].filter(isCounting)
}

const isCounting = (name: string) => name.startsWith('count_')

/** The rules about what comes in, of all of them. */
function comingRules(table: string, rules: readonly string[]): string[] {
  const chains = scopedChains.filter((chain) => /_in[46]$/.test(chain))
  return chains.flatMap((chain) => [
    `flush chain inet ${table} ${chain}`,
    ...rules.filter((rule) => rule.startsWith(`add rule inet ${table} ${chain} `)),
  ])
}

function grows(set: HeldSet, next: HeldSet | undefined): boolean {
  return (
    next !== undefined && [...set.elements].every(([key, end]) => next.elements.get(key) === end)
  )
}

function freeName(name: string, taken: readonly Found[]): string | undefined {
  return turns
    .map((turn) => `${name}_${turn}`)
    .find((free) => !taken.some((one) => one.name === free))
}

/** The sets under the names that they have in the kernel. */
function named(state: ScopedState, names: ReadonlyMap<string, string>): ScopedSet[] {
  const inKernel = (name: string) => names.get(name) ?? name
  return [...state.sets.values()].map((set) => ({
    ...set,
    name: inKernel(set.name),
    gate: set.gate === undefined ? undefined : inKernel(set.gate),
  }))
}

/** The rules of a table that has none of them. */
export function firstRules(table: string): string {
  return lines(scopedRules(table, []))
}

export function addSet(table: string, set: ScopedSet, name: string): string {
  const fields = set.fields.map((field) => typeOf(field, set.family)).join(' . ')
  const type = kindOf(set) === 'map' ? `${fields} : limit` : fields
  const flags = set.counts ? 'flags interval; counter' : 'flags interval, timeout'
  return `add ${kindOf(set)} inet ${table} ${name} { type ${type}; ${flags}; size ${size}; }`
}

export function addElements(
  table: string,
  set: ScopedSet,
  name: string,
  elements: readonly (readonly [key: string, end: number])[],
  now: number,
): string {
  const printed = elements.map(([text, end]) => {
    if (set.counts) return `${text} comment "${markOf(set.name, text)}"`
    const timeout = `timeout ${printTimeout(kernelTime(end - now))}`
    const rate = /^(.*) (rate_\w+)$/.exec(text)
    return rate ? `${rate[1]} ${timeout} : "${rate[2]}"` : `${text} ${timeout}`
  })
  return `add element inet ${table} ${name} { ${printed.join(', ')} }`
}

function addRate(table: string, name: string, { packets, per, burst }: Rate): string {
  return `add limit inet ${table} ${name} { rate over ${packets}/${per} burst ${burst} packets; }`
}

function remove(table: string, { kind, name }: Found): string {
  return `delete ${kind} inet ${table} ${name}`
}

function kindOf({ verdict, isGate, counts }: ScopedSet): 'set' | 'map' {
  return verdict === 'limit' && !isGate && !counts ? 'map' : 'set'
}

function typeOf(field: Field, family: 4 | 6): string {
  switch (field) {
    case 'interface':
    case 'beyond':
      return 'ifname'
    case 'address':
    case 'peer':
      return `ipv${family}_addr`
    case 'protocol':
      return 'inet_proto'
    default:
      return 'inet_service'
  }
}

function lines(all: readonly string[]): string {
  return all.map((line) => `${line}\n`).join('')
}

function nameOf(entry: unknown): string | undefined {
  if (typeof entry !== 'object' || entry === null || !('name' in entry)) return undefined
  return typeof entry.name === 'string' ? entry.name : undefined
}
