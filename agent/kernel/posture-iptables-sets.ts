/** The sets that standing rules in iptables look up. Two generations of names: new rules come together with new sets. */
import type { Address } from '#contract/address.ts'
import type { Protected } from '../guard.ts'
import { families, type Named, protectedOf } from '../posture-sets.ts'
import { batchSize } from './ipset-lines.ts'
import type { Ipset } from './ipset-program.ts'
import { addLine, create, freshName, holdable, type IpsetSpec, refill } from './ipset-sets.ts'
import type { Family } from './iptables-program.ts'

export type Generation = 'a' | 'b'

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
  { sets }: Named,
  generation: Generation,
  here: readonly Family[],
): Promise<void> {
  await destroySets(ipset, generation)
  for (const [name, set] of sets) {
    if ('timeoutSeconds' in set || !here.includes(set.family)) continue
    const spec = specOf(postureSet(generation, name), set.family)
    const all = Array.from(set.networks).flatMap(holdable)
    const most = Math.max(mostProtected, all.length)
    await ipset.run([create({ ...spec, most }, spec.name, all.length)])
    for (let from = 0; from < all.length; from += batchSize)
      await ipset.run(adding(spec.name, all.slice(from, from + batchSize)))
  }
}

/** In one step for each family. Refused where there are none. */
export async function swapProtected(
  ipset: Ipset,
  generation: Generation,
  protects: readonly Protected[],
  here: readonly Family[],
): Promise<void> {
  for (const family of families.filter((one) => here.includes(one))) {
    const spec = specOf(postureSet(generation, `protected${family}`), family)
    const all = protectedOf(protects, family).flatMap(holdable)
    const { fill, swap } = refill(spec, adding(freshName(spec.name), all))
    await ipset.run([...fill, ...swap])
  }
}

export async function destroySets(ipset: Ipset, generation?: Generation): Promise<void> {
  const begin = generation === undefined ? 'cordon_rules_' : postureSet(generation, '')
  const names = [...(await ipset.headers()).keys()].filter((name) => name.startsWith(begin))
  await ipset.run(names.map((name) => `destroy ${name}`))
}

function specOf(name: string, family: Family): IpsetSpec {
  return { name, family, type: 'hash:net', most: mostProtected, more: '' }
}

function adding(set: string, all: readonly Address[]): string[] {
  return all.map(({ text }) => addLine(set, text, undefined))
}
