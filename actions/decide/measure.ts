/** What is done to the traffic of a target, and to what part of it: compared, and what is done said in words. */
import type { Direction, Protocol, Rate } from '#contract/action.ts'
import { maybeAddress, overlaps } from '#contract/address.ts'

/** `reject` tells the sender; a block without it drops in silence. */
export type Measure =
  | { readonly action: 'block'; readonly response?: 'reject' }
  | { readonly action: 'allow' }
  | { readonly action: 'limit'; readonly rate: Rate }

/** What narrows it besides the direction; what is absent does not. Named as in the order that nodes get. */
export type Narrowing = {
  readonly interface?: string
  /** Canonical: who is at the other end. */
  readonly peer?: string
  readonly peer_interface?: string
  readonly protocol?: Protocol
  readonly ports?: readonly string[]
}

/** What most decisions are: all traffic, dropped. */
export const plainBlock: Measure = { action: 'block' }
export const unnarrowed: Narrowing = {}

/** Absent is plain. */
export type Ordered = { readonly measure?: Measure; readonly scope?: Narrowing }

/** Whether two orders on one target would do the same to the same traffic. */
export function isSameMeasure(a: Ordered, b: Ordered): boolean {
  return keyOf(a) === keyOf(b)
}

export function isNarrow({ scope = unnarrowed }: Ordered): boolean {
  return Object.values(scope).some((value) => value !== undefined)
}

/** Whether some packet can be of both: false only where they name different peers or protocols. */
export function scopesMeet(a: Narrowing, b: Narrowing): boolean {
  const [one, other] = [maybeAddress(a.peer ?? ''), maybeAddress(b.peer ?? '')]
  if (one && other && !overlaps(one, other)) return false
  return a.protocol === undefined || b.protocol === undefined || a.protocol === b.protocol
}

/** Where a packet of the target can be: from it or to it, for the node itself or through it. */
type Part = 'from' | 'to' | 'through_from' | 'through_to'
const partsOf: Readonly<Record<Direction, readonly Part[]>> = {
  in: ['from', 'through_from'],
  out: ['to', 'through_to'],
  both: ['from', 'to', 'through_from', 'through_to'],
  forward: ['through_from', 'through_to'],
  forward_from: ['through_from'],
  forward_to: ['through_to'],
}

/** Whether all traffic of one direction is traffic of the other too. */
export function directionCovers(wide: Direction, narrow: Direction): boolean {
  return partsOf[narrow].every((part) => partsOf[wide].includes(part))
}

/** Whether some traffic is of both directions. */
export function directionsMeet(a: Direction, b: Direction): boolean {
  return partsOf[a].some((part) => partsOf[b].includes(part))
}

/** `limit 203.0.113.7 to 20 packets a second (burst 40)`. */
export function printMeasure(measure: Measure, target: string): string {
  if (measure.action === 'limit') return `limit ${target} to ${printRate(measure.rate)}`
  if (measure.action === 'allow') return `allow ${target}`
  return measure.response === 'reject' ? `block ${target} with an answer` : `block ${target}`
}

function printRate({ packets, per, burst }: Rate): string {
  const each = per === 'hour' ? 'an hour' : `a ${per}`
  return `${packets} ${packets === 1 ? 'packet' : 'packets'} ${each} (burst ${burst})`
}

const narrowings = ['interface', 'peer', 'peer_interface', 'protocol', 'ports'] as const

function keyOf({ measure = plainBlock, scope = unnarrowed }: Ordered): string {
  const { action } = measure
  const response = measure.action === 'block' ? measure.response : undefined
  const rate = measure.action === 'limit' ? measure.rate : undefined
  return JSON.stringify([
    action,
    response ?? null,
    rate ? [rate.packets, rate.per, rate.burst] : null,
    ...narrowings.map((name) => scope[name] ?? null),
  ])
}
