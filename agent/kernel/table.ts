/** The firewall upon the kernel: one table, made by nft text, filled by a carrier. */
import type { Address } from '#contract/address.ts'
import { Problem } from '#contract/problem.ts'
import type { Proven } from './carrier.ts'
import type { Change, Firewall, Put } from './firewall.ts'
import type { Nft } from './nft.ts'
import { makeTable, remakeTable, removeTable, structureMatches, tableName } from './ruleset.ts'
import { printSteps } from './script.ts'
import { neverSteps, replacement, transactions } from './transaction.ts'
import { watchTable } from './watch.ts'

export function kernelFirewall({ carrier, can }: Proven, nft: Nft, fallback?: string): Firewall {
  let never: readonly Address[] = []
  /** The table in force has the sets of another version, to be made anew with the next `replace`. */
  let foreign = false

  return {
    name: carrier.name,
    enforcing: true,
    ...(fallback === undefined ? {} : { fallback }),

    async prepare() {
      const listing = await nft.list('-j', '-t', 'list', 'table', 'inet', tableName)
      foreign = listing !== undefined && !structureMatches(JSON.parse(listing))
      if (!foreign) await nft.run(makeTable())
    },

    async apply(changes: readonly Change[]) {
      if (foreign) throw otherVersion()
      for (const steps of transactions(changes, can)) await carrier.commit(tableName, steps)
    },

    async replace(elements: readonly Put[]) {
      const steps = replacement(elements)
      if (!foreign) return carrier.commit(tableName, steps)
      await nft.run(remakeTable() + printSteps(tableName, [...neverSteps(never), ...steps]))
      foreign = false
    },

    async setNever(addresses: readonly Address[]) {
      never = addresses
      if (!foreign) await carrier.commit(tableName, neverSteps(addresses))
    },

    remaining: (set, address) => carrier.remaining(tableName, set, address),

    watch: (changed) => watchTable(carrier.port, nft.isOwn, changed),

    clear: () => nft.run(removeTable()),

    async close() {
      carrier.close()
    },
  }
}

function otherVersion(): Problem {
  return new Problem('kernel_refused', 'the table in the kernel is of another version', {
    remedy: 'the agent fills it anew by itself, which makes the table of this version',
  })
}
