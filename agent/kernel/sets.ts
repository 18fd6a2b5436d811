/** The sets of the table: what each holds and how large it may grow. */
import { type Address, isHost } from '#contract/address.ts'
import { Problem } from '#contract/problem.ts'
import type { FeedHalf, FeedSetName, SetKind, SetName } from './firewall.ts'

type NeverName = 'never4' | 'never6'
export type AnySet = SetName | NeverName | FeedSetName

export type SetSpec = {
  readonly name: AnySet
  readonly family: 4 | 6
  /** The one prefix length it holds; undefined when it holds intervals of any. */
  readonly prefix: number | undefined
  readonly timeout: boolean
  /** A cap with slack: elements that have expired count until the kernel's next scan. */
  readonly size: number
}

/** What an interval set holds on every kernel: older ones count both ends of an interval. */
export const mostIntervals = 16_384

const kinds: Record<SetKind, Pick<SetSpec, 'family' | 'prefix' | 'size'>> = {
  hosts4: { family: 4, prefix: 32, size: 2_097_152 },
  hosts6: { family: 6, prefix: 128, size: 2_097_152 },
  nets4_24: { family: 4, prefix: 24, size: 1_048_576 },
  nets4_16: { family: 4, prefix: 16, size: 65_536 },
  nets6_64: { family: 6, prefix: 64, size: 2_097_152 },
  nets6_48: { family: 6, prefix: 48, size: 1_048_576 },
  rare4: { family: 4, prefix: undefined, size: 2 * mostIntervals },
  rare6: { family: 6, prefix: undefined, size: 2 * mostIntervals },
}

const setKinds = Object.keys(kinds).filter((kind): kind is SetKind => kind in kinds)

export const blockSets: readonly SetSpec[] = (['in', 'out'] as const).flatMap((way) =>
  setKinds.map((kind) => ({ ...kinds[kind], name: `${way}_${kind}` as const, timeout: true })),
)

const neverSets: readonly SetSpec[] = [
  { name: 'never4', family: 4, prefix: undefined, timeout: false, size: 2 * mostIntervals },
  { name: 'never6', family: 6, prefix: undefined, timeout: false, size: 2 * mostIntervals },
]

/** Intervals of all lists together: what older kernels count twice, and slack for what has ended. */
const feedSize = 2_621_440

export function feedSets(half: FeedHalf): readonly FeedSetName[] {
  return [`feeds4_${half}`, `feeds6_${half}`]
}

const bothHalves: readonly SetSpec[] = (['a', 'b'] as const).flatMap(feedSets).map((name) => ({
  name,
  family: name.startsWith('feeds4') ? 4 : 6,
  prefix: undefined,
  timeout: true,
  size: feedSize,
}))

export function isFeedSet(name: AnySet): name is FeedSetName {
  return name.startsWith('feeds')
}

export const allSets: readonly SetSpec[] = [...neverSets, ...blockSets, ...bothHalves]

const byName = new Map(allSets.map((spec) => [spec.name, spec]))

export function setSpec(name: AnySet): SetSpec {
  const spec = byName.get(name)
  if (spec) return spec
  throw new Problem('unsupported', `there is no set ${name}`)
}

const lengthsOf = (family: 4 | 6) =>
  new Map(
    setKinds
      .filter((kind) => kinds[kind].family === family && kinds[kind].prefix !== undefined)
      .map((kind) => [kinds[kind].prefix, kind] as const),
  )
const kindOfLength = { 4: lengthsOf(4), 6: lengthsOf(6) }

/** Where a host or network belongs. */
export function setKind(address: Address): SetKind {
  const exact = kindOfLength[address.family].get(address.prefix)
  return exact ?? (address.family === 4 ? 'rare4' : 'rare6')
}

/** Whether the canonical text is of a network that goes to an interval set: a million of them must not be parsed for that. */
export function isRareText(text: string): boolean {
  const slash = text.indexOf('/')
  if (slash < 0) return false
  return !kindOfLength[text.includes(':') ? 6 : 4].has(Number(text.slice(slash + 1)))
}

/** A network is never cut down to its first host, nor a host put where it would stand for a network. */
export function mustFit(spec: SetSpec, address: Address): void {
  if (spec.family === address.family && spec.prefix === address.prefix) return
  const intervals = spec.family === address.family && spec.prefix === undefined
  if (intervals && (!isHost(address) || takesHosts(spec))) return
  throw new Problem('unsupported', `${address.text} does not fit set ${spec.name}`, {
    remedy: 'put a host or network into the set of its own prefix length',
  })
}

/** A host that is blocked has a set of its own, where it costs less. */
function takesHosts({ name }: SetSpec): boolean {
  return !name.includes('rare')
}
