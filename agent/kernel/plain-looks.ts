/** How nft looks up what stands in the sets of plain blocks and lists. Pure. */
import type { SetKind } from './firewall.ts'
import { type AnySet, feedSets } from './sets.ts'

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

/** Of most nodes that is all they have: the first block shall not wait for a rule. */
export function isAlwaysAsked(set: AnySet): boolean {
  return set.includes('hosts')
}

/** Goes to where it is dropped at that spot, unless it may pass all the same. */
export function plainLooks(
  family: 4 | 6,
  way: 'in' | 'out',
  spot: 'in' | 'out' | 'to' | 'again',
  isAsked: (set: AnySet) => boolean,
): string[] {
  const side = way === 'in' ? 'saddr' : 'daddr'
  const blocks = kindsOf[family].flatMap((kind) => {
    const set: AnySet = `${way}_${kind}`
    return isAlwaysAsked(set) || isAsked(set) ? [`${side}${masks[kind]} @${set}`] : []
  })
  const feeds = (['a', 'b'] as const)
    .flatMap(feedSets)
    .filter((set) => set.startsWith(`feeds${family}`) && isAsked(set))
  return [...blocks, ...feeds.map((set) => `${side} @${set}`)].map(
    (look) => `${family === 4 ? 'ip' : 'ip6'} ${look} goto plain_${spot}${family}`,
  )
}
