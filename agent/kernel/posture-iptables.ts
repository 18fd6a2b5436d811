/**
 * Standing rules on hosts without nftables: chains of their own in the table filter, and sets that they look up. New sets
 * are filled beside those in use; then the chains of a family are replaced in one transaction, which names the new ones.
 * If the second family refuses, the first goes back.
 */
import { nameSets } from '../posture-sets.ts'
import type { Ipset } from './ipset-program.ts'
import type { Family, Iptables } from './iptables-program.ts'
import {
  isPostureChain,
  ownParts,
  ownTables,
  readSaved,
  removeTables,
  type Saved,
  writeTables,
} from './iptables-script.ts'
import { refusesPosture } from './posture-iptables-refusal.ts'
import { postureRules } from './posture-iptables-rules.ts'
import {
  destroySets,
  fillSets,
  type Generation,
  generations,
  postureSet,
  swapProtected,
} from './posture-iptables-sets.ts'
import type { PostureTable } from './posture-table.ts'

type All = ReadonlyMap<Family, Saved>

export function iptablesPostureTable(ipset: Ipset, iptables: Iptables): PostureTable {
  const listing = async () =>
    [...(await saveAll(iptables)).values()].map((saved) => ownParts(saved, isPostureChain)).join()
  const nothing = iptables.families.map(() => '').join()
  let left = nothing
  return {
    enforcing: true,
    refuses: refusesPosture,
    async run(script) {
      const before = await saveAll(iptables, 'saveThere')
      const used = [...before.values()].map(generationIn)
      const generation = generations.find((one) => !used.includes(one)) ?? 'c'
      const named = nameSets(script)
      const setOf = (name: string) => postureSet(generation, name)
      try {
        await fillSets(ipset, named, generation, iptables.families)
        await replaceChains(iptables, before, (family, saved) => {
          const tables = { filter: postureRules(script, named, family, setOf) }
          return writeTables(saved, tables, () => false, { owns: isPostureChain })
        })
      } catch (error) {
        // What was made beside it is of no use, and the next time takes it out in any case.
        await destroySets(ipset, [generation]).catch(() => undefined)
        throw error
      }
      // The kernel has it already: a listing that fails is no refusal, and the next look writes it again.
      left = await listing().catch(() => nothing)
      const gone = generations.filter((one) => one !== generation)
      await destroySets(ipset, gone).catch(() => undefined)
    },
    async protect(here) {
      for (const [family, saved] of await saveAll(iptables))
        await swapProtected(ipset, generationIn(saved) ?? 'a', family, here)
    },
    intact: async () => (await listing()) === left,
    async remove() {
      await removePostureChains(iptables)
      left = nothing
      await destroySets(ipset)
    },
  }
}

export async function removePostureChains(iptables: Iptables): Promise<void> {
  for (const family of iptables.families) await removeFrom(iptables, family)
}

async function removeFrom(iptables: Iptables, family: Family): Promise<void> {
  const saved = readSaved(await iptables.save(family))
  const { script, empty } = removeTables(saved, isPostureChain)
  if (script !== '') await iptables.restore(family, script)
  for (const { table, hook } of empty) await iptables.dropTable(family, table, hook)
}

async function replaceChains(
  iptables: Iptables,
  before: All,
  scriptFor: (family: Family, saved: Saved) => string,
): Promise<void> {
  const done: [Family, Saved][] = []
  try {
    for (const [family, saved] of before) {
      await iptables.restore(family, scriptFor(family, saved))
      done.push([family, saved])
    }
  } catch (error) {
    for (const [family, saved] of done) await goBack(iptables, family, saved)
    throw error
  }
}

async function goBack(iptables: Iptables, family: Family, before: Saved): Promise<void> {
  const tables = ownTables(before, isPostureChain)
  if (!tables.filter) return removeFrom(iptables, family)
  const saved = readSaved(await iptables.save(family))
  await iptables.restore(
    family,
    writeTables(saved, tables, () => false, { owns: isPostureChain }),
  )
}

async function saveAll(iptables: Iptables, how: 'save' | 'saveThere' = 'save'): Promise<All> {
  const all = new Map<Family, Saved>()
  for (const family of iptables.families) all.set(family, readSaved(await iptables[how](family)))
  return all
}

/** Which sets the rules in force look up. */
function generationIn(saved: Saved): Generation | undefined {
  const text = ownParts(saved, isPostureChain)
  return generations.find((one) => text.includes(`--match-set ${postureSet(one, '')}`))
}
