/** Where the standing rules of a node go: a table of their own in nftables, which nothing else here touches. */
import { removePosture } from '../posture-script.ts'
import type { Firewall } from './firewall.ts'
import { type Nft, nftProgram } from './nft.ts'

export type PostureTable = {
  /** False for one that only prints. */
  readonly enforcing: boolean
  /** The whole table, in one transaction. Throws `firewall_missing`, `no_privilege`, `kernel_refused`; what was there then stays. */
  run(script: string): Promise<void>
  /** Whether it is as the last script left it; what a set holds is not looked at. */
  intact(): Promise<boolean>
  /** No error where there is none. */
  remove(): Promise<void>
}

export function nftPostureTable(nft: Nft): PostureTable {
  let left: string | undefined
  // Terse and without state: neither the sets' elements nor the counters. To list one table only reads all elements first,
  // which takes seconds where there are many networks; to list all tables takes milliseconds.
  const listing = async () => tableIn((await nft.list('-t', '-s', 'list', 'ruleset', 'inet')) ?? '')
  return {
    enforcing: true,
    run: async (script) => {
      await nft.run(script)
      // The kernel has it already: a listing that fails is no refusal, and the next look writes it again.
      left = await listing().catch(() => undefined)
    },
    intact: async () => (await listing()) === left,
    remove: async () => {
      await nft.run(removePosture())
      left = undefined
    },
  }
}

function tableIn(ruleset: string): string | undefined {
  const from = ruleset.indexOf('table inet cordon_posture {')
  if (from < 0) return undefined
  const to = ruleset.indexOf('\n}', from)
  return ruleset.slice(from, to < 0 ? undefined : to)
}

export function printedPostureTable(print: (script: string) => void): PostureTable {
  return {
    enforcing: false,
    run: async (script) => print(script),
    intact: async () => true,
    remove: async () => print(removePosture()),
  }
}

/** Undefined for a back end that is no nftables: then there is nothing here that could hold the rules. */
export function choosePostureTable(
  { name }: Pick<Firewall, 'name'>,
  print: (script: string) => void,
): PostureTable | undefined {
  if (name === 'dry-run') return printedPostureTable(print)
  return name === 'netlink' || name === 'nft' ? nftPostureTable(nftProgram()) : undefined
}
