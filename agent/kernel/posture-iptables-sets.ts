/** The sets that standing rules in iptables look up, by generations of names: new rules come together with new sets. */
import { type Address, readAddress } from '#contract/address.ts'
import type { Protected } from '../guard.ts'
import { type Named, protectedOf } from '../posture-sets.ts'
import type { ScopedElement } from './firewall.ts'
import { batchSize } from './ipset-lines.ts'
import type { Ipset } from './ipset-program.ts'
import { groupsOf } from './ipset-scoped.ts'
import { specOf as specOfGroup } from './ipset-scoped-sets.ts'
import { addLine, create, freshName, holdable, type IpsetSpec, refill } from './ipset-sets.ts'
import type { Placed } from './iptables-looks.ts'
import type { Family } from './iptables-program.ts'
import { gateSet } from './posture-iptables-rules.ts'

/** One in use, one that comes; and one more where a family could not go back to what the other has. */
export const generations = ['a', 'b', 'c'] as const
export type Generation = (typeof generations)[number]

const ours = /^cordon_rules_/
const mostProtected = 65_536

export function isPostureSet(name: string): boolean {
  return ours.test(name)
}

/** Short: the kernel takes 31 letters. */
export function postureSet(generation: Generation, name: string): string {
  return `cordon_rules_${generation}_${name}`
}

/** Makes and fills them all; no rule knows them yet. */
export async function fillSets(
  ipset: Ipset,
  named: Named,
  generation: Generation,
  here: readonly Family[],
): Promise<void> {
  await destroySets(ipset, [generation])
  let lines: string[] = []
  for (const line of fillLines(named, generation, here)) {
    lines.push(line)
    if (lines.length < batchSize) continue
    await ipset.run(lines)
    lines = []
  }
  await ipset.run(lines)
}

function* fillLines({ sets }: Named, generation: Generation, here: readonly Family[]) {
  for (const [name, set] of sets) {
    if ('timeoutSeconds' in set || !here.includes(set.family)) continue
    const spec = specOf(postureSet(generation, name), set.family)
    const all = Array.from(set.networks).flatMap(holdable)
    const most = Math.max(mostProtected, all.length)
    yield create({ ...spec, most }, spec.name, all.length)
    yield* adding(spec.name, all)
  }
}

/** Makes the set that says whether what is on trial judges, with nothing in it: so it does not. */
export async function makeGates(
  ipset: Ipset,
  generation: Generation,
  here: readonly Family[],
): Promise<void> {
  await ipset.run(
    here.map((family) => create({ ...gateOf(generation, family), more: 'timeout 0' })),
  )
}

/** Refused where there are none. */
export async function openGates(
  ipset: Ipset,
  generation: Generation,
  here: readonly Family[],
  seconds: number,
): Promise<void> {
  const lines = here.flatMap((family) =>
    everywhere[family]
      .flatMap(holdable)
      .map(({ text }) => addLine(gateOf(generation, family).name, text, seconds * 1_000)),
  )
  await ipset.run(lines)
}

const everywhere = { 4: [readAddress('0.0.0.0/0')], 6: [readAddress('::/0')] } as const

function gateOf(generation: Generation, family: Family): IpsetSpec {
  return specOf(postureSet(generation, gateSet(family)), family)
}

/** In one step. Refused where there is none. */
export async function swapProtected(
  ipset: Ipset,
  generation: Generation,
  family: Family,
  here: readonly Protected[],
): Promise<void> {
  const spec = specOf(postureSet(generation, `protected${family}`), family)
  const all = protectedOf(here, family).flatMap(holdable)
  const { fill, swap } = refill(spec, adding(freshName(spec.name), all))
  await ipset.run([...fill, ...swap])
}

/** Of those that are allowed to begin something: what stands and what comes. */
export type Turn = 0 | 1

/** Makes and fills sets for them; no rule knows them yet. Throws `kernel_refused`. */
export async function fillAllowed(
  ipset: Ipset,
  { generation, turn }: { generation: Generation; turn: Turn },
  allowed: readonly ScopedElement[],
  now: number,
): Promise<Placed[]> {
  await destroyAllowed(ipset, generation, turn)
  const groups = [...groupsOf(allowed, now).values()].map((group, at) => ({
    ...group,
    set: postureSet(generation, `${allowedNames(turn)}${at}`),
  }))
  await ipset.run(
    groups.flatMap((group) => [
      create(specOfGroup(group), group.set, group.members.size),
      ...[...group.members].map(([member, end]) => addLine(group.set, member, end - now)),
    ]),
  )
  return groups
}

export function destroyAllowed(ipset: Ipset, generation: Generation, turn: Turn): Promise<void> {
  return destroyNamed(ipset, generation, (name) => name.startsWith(allowedNames(turn)))
}

function allowedNames(turn: Turn): string {
  return `allow${turn}_`
}

export async function destroySets(
  ipset: Ipset,
  gone: readonly Generation[] = generations,
): Promise<void> {
  const begins = gone.map((generation) => postureSet(generation, ''))
  const names = [...(await ipset.headers()).keys()].filter((name) =>
    begins.some((begin) => name.startsWith(begin)),
  )
  await ipset.run(names.map((name) => `destroy ${name}`))
}

export async function destroyNamed(
  ipset: Ipset,
  generation: Generation,
  isGone: (name: string) => boolean,
): Promise<void> {
  const begin = postureSet(generation, '')
  const there = [...(await ipset.headers()).keys()].filter((name) => name.startsWith(begin))
  const names = there.filter((name) => isGone(name.slice(begin.length)))
  await ipset.run(names.map((name) => `destroy ${name}`))
}

function specOf(name: string, family: Family): IpsetSpec {
  return { name, family, type: 'hash:net', most: mostProtected, more: '' }
}

function adding(set: string, all: readonly Address[]): string[] {
  return all.map(({ text }) => addLine(set, text, undefined))
}
