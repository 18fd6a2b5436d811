/** The changes that bring the kernel from what it holds to what is wished. Pure. */
import type { Address } from '#contract/address.ts'
import type { Change, Put, Remove, SetName } from './kernel/firewall.ts'
import { setKind, setSpec } from './kernel/sets.ts'

export type Way = 'in' | 'out'
export const ways: readonly Way[] = ['in', 'out']

/** One address in one set until a time of the service's clock (milliseconds). */
export type Element = { set: SetName; address: Address; end: number }

/** By elementKey. */
export type Elements = ReadonlyMap<string, Element>

export function elementKey(set: SetName, address: Address): string {
  return `${set} ${address.text}`
}

/**
 * Removals first: an interval set refuses a network while one inside it is still there. The interval sets before the
 * others: what takes the place of a piece then goes with its removal into one transaction, unless there are more
 * than that takes. What has ended at `now` is wished no longer. Where both hold the same until the same time nothing
 * is done.
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
  return [...all.filter(inIntervals), ...all.filter((change) => !inIntervals(change))]
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
  return `${way}_${setKind(address)}`
}

export function isRare(address: Address): boolean {
  return setKind(address).startsWith('rare')
}
