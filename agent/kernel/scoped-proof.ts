/** What this kernel can do of scoped orders: asked, and nothing changed. */
import { readAddress } from '#contract/address.ts'
import type { Expresses, ScopedElement } from './firewall.ts'
import type { Nft } from './nft.ts'
import { printSet } from './ruleset.ts'
import { type HeldSet, isJudgedAgain, type ScopedState, scopedState } from './scoped.ts'
import { scopedChains } from './scoped-rules.ts'
import { addSet, changeScoped, freshStanding } from './scoped-script.ts'
import { allSets } from './sets.ts'

const ports = { low: 22, high: 23, side: 'destination' } as const
const some = { interface: 'eth*', protocol: 'tcp', ports, layer: 0, end: 60_000 } as const
const forwards = ['forward', 'forward_from', 'forward_to'] as const
const rate = { packets: 1, per: 'second', burst: 1 } as const

export async function expressible(nft: Nft, table: string): Promise<Expresses> {
  const takes = (elements: readonly ScopedElement[]) => nft.takes(scriptFor(table, elements))
  // What most kernels do is asked in one: the node has no block in force until then.
  if (await takes(elementsOf(['drop', 'allow', 'limit', 'reject'])))
    return { scopes: true, reject: true }
  const [scopes, reject, again] = await Promise.all([
    takes(elementsOf(['drop', 'allow', 'limit']).filter(isSettled)),
    takes(elementsOf(['reject'])),
    takes(elementsOf(['allow', 'limit'])),
  ])
  return { scopes, reject: scopes && reject, ...(again ? {} : { refuses }) }
}

function refuses(elements: readonly Omit<ScopedElement, 'layer' | 'end'>[]): string | undefined {
  return elements.some(isJudgedAgain)
    ? 'where a packet leaves is not known where it would be blocked'
    : undefined
}

function isSettled(element: ScopedElement): boolean {
  return !isJudgedAgain(element)
}

function elementsOf(verdicts: readonly ScopedElement['verdict'][]): ScopedElement[] {
  return verdicts.flatMap((verdict) =>
    ['192.0.2.0/24', '2001:db8::1'].map(readAddress).flatMap((address) => {
      const limit = verdict === 'limit' ? { name: 'proof', rate } : undefined
      const peer = readAddress(address.family === 4 ? '198.51.100.1' : '2001:db8:1::/48')
      return [
        ...(['in', 'out', ...forwards] as const).flatMap((way): ScopedElement[] => [
          { ...some, verdict, way, address, peer, limit },
          { verdict, way, address, limit, layer: 0, end: 60_000 },
        ]),
        // The widest of all: of IPv6 more than one key.
        ...forwards.map(
          (way): ScopedElement => ({
            ...{ ...some, verdict, way, address, peer, peerInterface: 'eth1', limit },
          }),
        ),
      ]
    }),
  )
}

/** As in the true table: what may stand in a chain follows from the hook that leads there. */
function scriptFor(table: string, elements: readonly ScopedElement[]): string {
  const hooks = { in: 'prerouting', out: 'output', from: 'forward', to: 'forward' } as const
  return [
    `add table inet ${table}`,
    ...[4, 6].flatMap((family) => [
      ...['in', 'out'].map(
        (side) =>
          `add set inet ${table} hits_${side}${family} { type ipv${family}_addr; flags dynamic, timeout; timeout 1h; size 16; }`,
      ),
    ]),
    ...allSets.map((spec) => printSet(table, { ...spec, size: 16 })),
    ...scopedChains.map((chain) => `add chain inet ${table} ${chain}`),
    ...Object.entries(hooks).flatMap(([spot, hook]) => [
      `add chain inet ${table} at_${spot} { type filter hook ${hook} priority -300; policy accept; }`,
      ...[4, 6].map((family) => `add rule inet ${table} at_${spot} jump scoped_${spot}${family}`),
    ]),
    ...changeScoped(table, freshStanding, sparing(scopedState(elements, 0)), 0).scripts,
  ].join('\n')
}

/** Of sets that differ in nothing but their names one is filled: elements are what the kernel works longest on. */
function sparing(state: ScopedState): ScopedState {
  const tried = new Set<string>()
  const sets = [...state.sets].map(([name, set]): [string, HeldSet] => {
    const kind = addSet('', set, '')
    const again = tried.has(kind)
    tried.add(kind)
    return [name, again ? { ...set, elements: new Map() } : set]
  })
  return { ...state, sets: new Map(sets) }
}
