/** What is done to the traffic of a target, and to what part of it: compared, and said in words. */
import type { Direction, Protocol, Rate } from '#contract/action.ts'

/** `reject` tells the sender; a block without it drops in silence. */
export type Measure =
  | { readonly action: 'block'; readonly response?: 'reject' }
  | { readonly action: 'allow' }
  | { readonly action: 'limit'; readonly rate: Rate }

/** What narrows it besides the direction; what is absent does not. */
export type Narrowing = {
  readonly interface?: string
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

/** Whether all traffic of one direction is traffic of the other too; what is forwarded is a part of `both`. */
export function directionCovers(wide: Direction, narrow: Direction): boolean {
  return wide === narrow || wide === 'both'
}

/** `limit 203.0.113.7 to 20 packets a second (burst 40)`. */
export function printMeasure(measure: Measure, target: string): string {
  if (measure.action === 'limit') return `limit ${target} to ${printRate(measure.rate)}`
  if (measure.action === 'allow') return `allow ${target}`
  return measure.response === 'reject' ? `block ${target} with an answer` : `block ${target}`
}

function printRate({ packets, per, burst }: Rate): string {
  return `${packets} ${packets === 1 ? 'packet' : 'packets'} a ${per} (burst ${burst})`
}

/** `tcp port 22 at eth0`; empty for all traffic. */
export function printNarrowing({ interface: name, protocol, ports }: Narrowing): string {
  const many = ports !== undefined && (ports.length > 1 || ports.some((one) => one.includes('-')))
  return [
    protocol,
    ports && `${many ? 'ports' : 'port'} ${ports.join(', ')}`,
    name !== undefined && `at ${name}`,
  ]
    .filter((part) => part !== undefined && part !== false)
    .join(' ')
}

function keyOf({ measure = plainBlock, scope = unnarrowed }: Ordered): string {
  const { action } = measure
  const response = measure.action === 'block' ? measure.response : undefined
  const rate = measure.action === 'limit' ? measure.rate : undefined
  return JSON.stringify([
    action,
    response ?? null,
    rate ? [rate.packets, rate.per, rate.burst] : null,
    scope.interface ?? null,
    scope.protocol ?? null,
    scope.ports ?? null,
  ])
}
