/** Keeps the chains of Cordon in iptables: made, mended, changed with scoped orders, and taken out again. */

import { judgingChain } from './iptables-again.ts'
import type { Placed } from './iptables-looks.ts'
import type { Family, Iptables } from './iptables-program.ts'
import { takeOut } from './iptables-removal.ts'
import { fixedTables, scopedTables, type TableName, type Tables } from './iptables-rules.ts'
import { isOwnChain, ownParts, readSaved, type Saved, writeTables } from './iptables-script.ts'

export class IptablesRules {
  readonly #iptables: Iptables
  /** As everything was after the last change of ours. */
  readonly #left = new Map<Family, Saved>()

  constructor(iptables: Iptables) {
    this.#iptables = iptables
  }

  /** What follows from scoped orders is left as it is where it is there: it is written anew right after. */
  async mend(): Promise<void> {
    this.#left.clear()
    await this.#each((family, saved) => {
      const tables = joined(fixedTables(family), missing(scopedTables(family, []), saved))
      return writeTables(saved, tables, () => true)
    })
  }

  async setScoped(groups: readonly Placed[]): Promise<void> {
    await this.#each((family, saved) => {
      const fixed = fixedTables(family)
      const isFixed = (table: string, chain: string) =>
        Object.entries(fixed).some(([name, { chains }]) => name === table && chain in chains)
      const tables = scopedTables(family, groups)
      return writeTables(saved, tables, isFixed, { order: orderOf(tables) })
    })
  }

  async remove(): Promise<void> {
    await takeOut(this.#iptables, isOwnChain)
    this.#left.clear()
  }

  /** Whether they are as we left them. */
  async intact(): Promise<boolean> {
    for (const [family, left] of this.#left)
      if (ownParts(await this.#save(family)) !== ownParts(left)) return false
    return true
  }

  /** What others changed since we looked can make a script fail, and then it is written again for what is there now. */
  async #each(scriptFor: (family: Family, saved: Saved) => string): Promise<void> {
    for (const family of this.#iptables.families) {
      const known = this.#left.get(family)
      const write = async (saved: Saved) => {
        const script = scriptFor(family, saved)
        if (script !== '') await this.#iptables.restore(family, script)
      }
      if (known) await write(known).catch(async () => write(await this.#saveThere(family)))
      else await write(await this.#saveThere(family))
      this.#left.set(family, await this.#saveThere(family))
    }
  }

  async #saveThere(family: Family): Promise<Saved> {
    return readSaved(await this.#iptables.saveThere(family))
  }

  async #save(family: Family): Promise<Saved> {
    return readSaved(await this.#iptables.save(family))
  }
}

/** What is let through to be judged again is let through only while it is judged again. */
function orderOf({ mangle }: Tables): readonly TableName[] {
  return mangle && judgingChain in mangle.chains
    ? ['mangle', 'raw', 'filter']
    : ['raw', 'mangle', 'filter']
}

/** Of the tables those chains that are not there. */
function missing(tables: Tables, saved: Saved): Tables {
  return Object.fromEntries(
    Object.entries(tables).map(([name, { chains }]) => {
      const there = new Set(saved.get(name)?.chains.filter(isOwnChain))
      const absent = Object.entries(chains).filter(([chain]) => !there.has(chain))
      return [name, { jumps: [], chains: Object.fromEntries(absent) }]
    }),
  )
}

function joined(one: Tables, other: Tables): Tables {
  return Object.fromEntries(
    (['raw', 'mangle', 'filter'] as const).flatMap((name) => {
      const [a, b] = [one[name], other[name]]
      if (!a && !b) return []
      const chains = { ...a?.chains, ...b?.chains }
      return [[name, { chains, jumps: [...(a?.jumps ?? []), ...(b?.jumps ?? [])] }]]
    }),
  )
}
