/** Where scoped orders are asked about a packet, and which of them are at each such spot. Pure. */
import type { ScopedWay } from './firewall.ts'
import type { ScopedSet } from './scoped.ts'

/**
 * Where a packet is: coming in, going out from this node itself, or passing through it, judged by whom it is from and
 * by whom it goes to. `again` is what came in and was let through since it is not known there by which interface it
 * leaves, judged as it would have been; it is by its headers of then, which may have been translated: what is translated
 * and from somebody who is allowed something by that interface is rather stopped than let through.
 */
export const spots = ['in', 'out', 'from', 'to', 'again'] as const
export type Spot = (typeof spots)[number]

/** Whether it is judged by whom it is from, and not by whom it goes to. */
export function isFrom(spot: Spot): boolean {
  return spot === 'in' || spot === 'from' || spot === 'again'
}

/** Where plain blocks stop something, and which. */
export const plainSide: Record<Spot, 'in' | 'out' | undefined> = {
  in: 'in',
  out: 'out',
  from: undefined,
  to: 'out',
  again: 'in',
}

/** Which of the sets are asked at each spot: for what is stopped, and for what is let through all the same. */
const asked: Record<Spot, { stops: readonly ScopedWay[]; allows: readonly ScopedWay[] }> = {
  in: { stops: ['in'], allows: ['in', 'forward', 'forward_from'] },
  out: { stops: ['out'], allows: ['out'] },
  from: { stops: ['forward', 'forward_from'], allows: ['in', 'forward', 'forward_from'] },
  to: { stops: ['out', 'forward', 'forward_to'], allows: ['out', 'forward', 'forward_to'] },
  again: { stops: ['in'], allows: ['in', 'forward', 'forward_from'] },
}

/** With those that count it. */
export function stopping(
  spot: Spot,
  verdict: ScopedSet['verdict'],
  sets: readonly ScopedSet[],
): ScopedSet[] {
  return sets.filter(
    (set) => set.verdict === verdict && !set.isGate && asked[spot].stops.includes(set.way),
  )
}

/** Without what only says who is to be asked about, or judged again. */
export function allowing(spot: Spot, sets: readonly ScopedSet[]): ScopedSet[] {
  return sets.filter(
    ({ verdict, way, isGate, isAgain }) =>
      verdict === 'allow' && !isGate && !isAgain && asked[spot].allows.includes(way),
  )
}
