/** The changes that bring the kernel from what it holds to what is wished. Pure. */
import type { Direction } from '#contract/action.ts'
import { type Address, compareAddresses, contains } from '#contract/address.ts'
import type { Change, Put, Remove, SetKind, SetName } from './kernel/firewall.ts'
import { setKind, setSpec } from './kernel/sets.ts'

export type Way = 'in' | 'out'
export const ways: readonly Way[] = ['in', 'out']

/** Whether it is about what comes from its target, or what goes there. */
export function goes({ direction }: { readonly direction: Direction }, way: Way): boolean {
  return direction === way || direction === 'both'
}

/** One address in one set until a time of the service's clock (milliseconds). */
export type Element = { set: SetName; address: Address; end: number }

/** What a plain claim alone makes of an address that is not rare. */
export function elementsOf(
  claim: { readonly direction: Direction; readonly end: number },
  address: Address,
): Element[] {
  const elements: Element[] = []
  for (const way of ways)
    if (goes(claim, way)) elements.push({ set: setOf(address, way), address, end: claim.end })
  return elements
}

/** By elementKey. */
export type Elements = ReadonlyMap<string, Element>

export function elementKey(set: SetName, address: Address): string {
  return `${set} ${address.text}`
}

/**
 * Removals before what overlaps them: an interval set refuses a network while one inside it is still there. What has
 * ended at `now` is wished no longer. Where both hold the same until the same time nothing is done.
 */
export function plan(held: Elements, wished: Elements, now: number): Change[] {
  const removals: Remove[] = []
  const changed: Element[] = []
  for (const [key, { set, address }] of held)
    if (!((wished.get(key)?.end ?? 0) > now)) removals.push({ op: 'remove', set, address })
  for (const [key, element] of wished) {
    const there = held.get(key)?.end ?? 0
    if (there !== element.end) changed.push(element)
  }
  const all = [...removals, ...puts(changed, now)]
  const inIntervals = ({ set }: Change) => setSpec(set).prefix === undefined
  return [...together(all.filter(inIntervals)), ...all.filter((change) => !inIntervals(change))]
}

/**
 * Of an interval set what takes the place of a network right behind its removal, so that both go into one transaction
 * also where there are more changes than one takes. What leaves most room comes first: on the way the set is never
 * fuller than before and after.
 */
function together(changes: readonly Change[]): Change[] {
  const sorted = [...changes].sort(
    (a, b) => compareText(a.set, b.set) || compareAddresses(a.address, b.address),
  )
  const groups: { removals: Change[]; puts: Change[] }[] = []
  let outer: Change | undefined
  for (const change of sorted) {
    const inside = outer?.set === change.set && contains(outer.address, change.address)
    if (!inside) groups.push({ removals: [], puts: [] })
    if (!inside) outer = change
    groups.at(-1)?.[change.op === 'remove' ? 'removals' : 'puts'].push(change)
  }
  const growth = (group: (typeof groups)[number]) => group.puts.length - group.removals.length
  groups.sort((a, b) => growth(a) - growth(b))
  return groups.flatMap((group) => [...group.removals, ...group.puts])
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : Number(a > b)
}

/** What has not ended yet, where nothing of it is held. */
export function puts(elements: Iterable<Element>, now: number): Put[] {
  const found: Put[] = []
  for (const element of elements) if (element.end > now) found.push(put(element, now))
  return found
}

function put({ set, address, end }: Element, now: number): Put {
  return { op: 'put', set, address, timeoutMs: Math.ceil(end - now) }
}

/** The set that holds this address. Lengths without a set of their own share the interval set. */
export function setOf(address: Address, way: Way): SetName {
  return setNames[way][setKind(address)]
}

/** Made once: a million elements of a set would each have a copy of its name. */
const setNames: Record<Way, Record<SetKind, SetName>> = { in: namesOf('in'), out: namesOf('out') }

function namesOf(way: Way): Record<SetKind, SetName> {
  return {
    hosts4: `${way}_hosts4`,
    hosts6: `${way}_hosts6`,
    nets4_24: `${way}_nets4_24`,
    nets4_16: `${way}_nets4_16`,
    nets6_64: `${way}_nets6_64`,
    nets6_48: `${way}_nets6_48`,
    rare4: `${way}_rare4`,
    rare6: `${way}_rare6`,
  }
}

export function isRare(address: Address): boolean {
  const kind = setKind(address)
  return kind === 'rare4' || kind === 'rare6'
}
