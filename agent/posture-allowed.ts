/**
 * What orders to allow let begin connections past the standing rules: sets and look-ups of their own in the table, as nft
 * text. Pure.
 *
 * Standing rules judge who begins: so it is what comes from a target, to the node and through it, or through it only. What
 * belongs to no connection, or seems to, is judged as anybody's. The elements end by the kernel's own clock.
 */
import type { ScopedElement, ScopedWay } from './kernel/firewall.ts'
import { type HeldSet, scopedState } from './kernel/scoped.ts'
import { letIn } from './kernel/scoped-look-ups.ts'
import { addElements, addSet } from './kernel/scoped-script.ts'
import { postureTable } from './posture-sets.ts'

export type AllowedSets = ReadonlyMap<string, HeldSet>

const ways: readonly ScopedWay[] = ['in', 'forward', 'forward_from']
/** By the hook that they are asked at. */
const chains = { input: 'allowed_node', forward: 'allowed_through' } as const
type Hook = keyof typeof chains
const hooks = ['input', 'forward'] as const

/** Of all orders beyond plain blocks those that standing rules are to let pass. */
export function allowedOf(elements: readonly ScopedElement[]): ScopedElement[] {
  return elements.filter(({ verdict, way }) => verdict === 'allow' && ways.includes(way))
}

export function allowedSets(
  allowed: readonly ScopedElement[] | undefined,
  now: number,
): AllowedSets {
  const { sets } = scopedState(allowed ?? [], now)
  return new Map([...sets].filter(([, set]) => !set.isAgain))
}

/** It ends the judgement of the standing rules. */
export function askAllowed(hook: Hook): string {
  return `ct state new jump ${chains[hook]} comment "allowed for a time"`
}

/** Of a table that has none of it. */
export function printFirstAllowed(sets: AllowedSets, now: number): string[] {
  return [
    ...hooks.map((hook) => `add chain inet ${postureTable} ${chains[hook]}`),
    ...[...sets.values()].flatMap((set) => printSet(set, now)),
    ...rules(sets),
  ]
}

/** In the place of those of before. Refused where there is no table. */
export function printAllowed(before: AllowedSets, sets: AllowedSets, now: number): string {
  const gone = [...before.keys()].filter((name) => !sets.has(name))
  return [
    ...hooks.map((hook) => `flush chain inet ${postureTable} ${chains[hook]}`),
    ...gone.map((name) => `delete set inet ${postureTable} ${name}`),
    ...[...sets.values()].flatMap((set) =>
      before.has(set.name)
        ? [`flush set inet ${postureTable} ${set.name}`, printElements(set, now)]
        : printSet(set, now),
    ),
    ...rules(sets),
    '',
  ].join('\n')
}

function printSet(set: HeldSet, now: number): string[] {
  return [addSet(postureTable, set, set.name), printElements(set, now)]
}

function printElements(set: HeldSet, now: number): string {
  return addElements(postureTable, set, set.name, [...set.elements], now)
}

function rules(sets: AllowedSets): string[] {
  return hooks.flatMap((hook) =>
    letIn(hook, [...sets.values()]).map(
      (look) => `add rule inet ${postureTable} ${chains[hook]} ${look} accept`,
    ),
  )
}
