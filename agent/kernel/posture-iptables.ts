/**
 * Standing rules on hosts without nftables: chains of their own in the table filter, and sets that they look up. New sets
 * are filled beside those in use; then the chains of a family are replaced in one transaction, which names the new ones.
 * If the second family refuses, the first goes back. What is on trial judges as long as
 * elements with a timeout are in a set: see posture-script.ts.
 */
import { type Named, nameSets, type PostureScript } from '../posture-sets.ts'
import { changedMeanwhile, nothingOnTrial } from '../posture-trial.ts'
import type { Ipset } from './ipset-program.ts'
import type { Placed } from './iptables-looks.ts'
import type { Family, Iptables } from './iptables-program.ts'
import { takeOut, takeOutOf } from './iptables-removal.ts'
import type { Table, Tables } from './iptables-rules.ts'
import {
  isPostureChain,
  ownParts,
  ownTables,
  readSaved,
  type Saved,
  writeTables,
} from './iptables-script.ts'
import { refusesPosture } from './posture-iptables-refusal.ts'
import { gateSet, postureRules } from './posture-iptables-rules.ts'
import {
  destroyAllowed,
  destroyNamed,
  destroySets,
  fillAllowed,
  fillSets,
  type Generation,
  generations,
  makeGates,
  openGates,
  postureSet,
  swapProtected,
  type Turn,
} from './posture-iptables-sets.ts'
import type { PostureTable } from './posture-table.ts'

type All = ReadonlyMap<Family, Saved>

/** What the last script left, so that parts of it can be written again. */
type Written = {
  generation: Generation
  allowed: readonly Placed[]
  turn: Turn
  tableOf(family: Family, allowed: readonly Placed[]): Table
  /** Of what is on trial: as it is after it, and what is of no use then. */
  onTrial: { tableOf: Written['tableOf']; gone: ReadonlySet<string> } | undefined
}

export function iptablesPostureTable(ipset: Ipset, iptables: Iptables): PostureTable {
  const { families } = iptables
  const listing = async () =>
    [...(await saveAll(iptables)).values()].map((saved) => ownParts(saved, isPostureChain)).join()
  const nothing = families.map(() => '').join()
  let left = nothing
  let last: Written | undefined
  // The kernel has it already: a listing that fails is no refusal, and the next look writes it again.
  const written = async () => {
    left = await listing().catch(() => nothing)
  }
  const asLeft = async () => {
    if (!last || (await listing()) !== left) throw changedMeanwhile()
    return { last, before: await saveAll(iptables, 'saveThere') }
  }
  return {
    enforcing: true,
    refuses: refusesPosture,
    async run(script) {
      const before = await saveAll(iptables, 'saveThere')
      const used = [...before.values()].map(generationIn)
      const generation = generations.find((one) => !used.includes(one)) ?? 'c'
      const named = nameSets(script)
      const next = writtenOf(script, named, generation, families)
      try {
        await fillSets(ipset, named, generation, families)
        if (script.before) await makeGates(ipset, generation, families)
        next.allowed = await fillAllowed(ipset, next, script.allowed ?? [], script.now)
        await writeChains(iptables, before, (family) => next.tableOf(family, next.allowed))
      } catch (error) {
        // What was made beside it is of no use, and the next time takes it out in any case.
        await destroySets(ipset, [generation]).catch(() => undefined)
        throw error
      }
      last = next
      await written()
      const gone = generations.filter((one) => one !== generation)
      await destroySets(ipset, gone).catch(() => undefined)
    },
    async open(seconds) {
      if (!last?.onTrial) nothingOnTrial()
      else await openGates(ipset, last.generation, families, seconds)
    },
    async confirm() {
      const { tableOf, gone } = last?.onTrial ?? nothingOnTrial()
      const { last: was, before } = await asLeft()
      await writeChains(iptables, before, (family) => tableOf(family, was.allowed))
      last = { ...was, tableOf, onTrial: undefined }
      await written()
      await destroyNamed(ipset, was.generation, (name) => gone.has(name)).catch(() => undefined)
    },
    async allow(elements, now) {
      const { last: was, before } = await asLeft()
      const { generation, tableOf } = was
      const turn = was.turn === 0 ? 1 : 0
      const allowed = await fillAllowed(ipset, { generation, turn }, elements, now)
      await writeChains(iptables, before, (family) => tableOf(family, allowed))
      last = { ...was, allowed, turn }
      await written()
      await destroyAllowed(ipset, generation, was.turn).catch(() => undefined)
    },
    async protect(here) {
      for (const [family, saved] of await saveAll(iptables))
        await swapProtected(ipset, generationIn(saved) ?? 'a', family, here)
    },
    intact: async () => (await listing()) === left,
    async remove() {
      await removePostureChains(iptables)
      left = nothing
      last = undefined
      await destroySets(ipset)
    },
  }
}

/** With nobody allowed yet. */
function writtenOf(
  script: PostureScript,
  named: Named,
  generation: Generation,
  families: readonly Family[],
): Written {
  const names = { of: named.of }
  const tableOf =
    (of: PostureScript): Written['tableOf'] =>
    (family, allowed) =>
      postureRules(of, names, family, (name) => postureSet(generation, name), allowed)
  const onTrial = script.before && {
    tableOf: tableOf({ ...script, before: undefined }),
    gone: new Set([...families.map(gateSet), ...named.before]),
  }
  return { generation, allowed: [], turn: 0, tableOf: tableOf(script), onTrial }
}

export function removePostureChains(iptables: Iptables): Promise<void> {
  return takeOut(iptables, isPostureChain)
}

async function writeChains(
  iptables: Iptables,
  before: All,
  tableOf: (family: Family) => Table,
): Promise<void> {
  const done: [Family, Saved][] = []
  try {
    for (const [family, saved] of before) {
      await iptables.restore(family, chainsScript(saved, { filter: tableOf(family) }))
      done.push([family, saved])
    }
  } catch (error) {
    for (const [family, saved] of done) await goBack(iptables, family, saved)
    throw error
  }
}

async function goBack(iptables: Iptables, family: Family, before: Saved): Promise<void> {
  const tables = ownTables(before, isPostureChain)
  if (!tables.filter) return takeOutOf(iptables, family, isPostureChain)
  const saved = readSaved(await iptables.save(family))
  await iptables.restore(family, chainsScript(saved, tables))
}

function chainsScript(saved: Saved, tables: Tables): string {
  return writeTables(saved, tables, () => false, { owns: isPostureChain })
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
