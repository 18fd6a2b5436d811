/** Where the standing rules of a node go: in nftables a table of their own, which nothing else here touches. */
import type { Posture } from '#contract/posture.ts'
import type { Protected } from '../guard.ts'
import { type AllowedSets, allowedSets, printAllowed } from '../posture-allowed.ts'
import {
  printConfirmed,
  printOpening,
  printPosture,
  printProtected,
  removePosture,
} from '../posture-script.ts'
import { nameSets, type PostureScript } from '../posture-sets.ts'
import { changedMeanwhile, nothingOnTrial } from '../posture-trial.ts'
import type { Firewall, ScopedElement } from './firewall.ts'
import { ipsetProgram } from './ipset-program.ts'
import { iptablesProgram } from './iptables-program.ts'
import { type Nft, nftProgram } from './nft.ts'

export type PostureTable = {
  /** False for one that only prints. */
  readonly enforcing: boolean
  /** Why it cannot hold the posture as it is meant. */
  refuses?(posture: Posture): string | undefined
  /**
   * The whole table, in one transaction. What is on trial judges nothing yet. Throws `firewall_missing`, `no_privilege`,
   * `kernel_refused`; what was there then stays.
   */
  run(script: PostureScript): Promise<void>
  /** What is on trial judges for so long from now on; then what judged before, though nobody lives. Throws as `run`. */
  open(seconds: number): Promise<void>
  /** What is on trial stays, as it is, and what judged before goes. Throws as `run`, and where the table is not as `run` left it. */
  confirm(): Promise<void>
  /** Only what is protected changed: rates and networks stay as they are. Refused where there is no table. */
  protect(here: readonly Protected[]): Promise<void>
  /**
   * These are all that may begin what the rules forbid, until they end at the kernel's own clock, which stands at `now`:
   * rates and networks stay as they are. Throws as `run`, and where the table is not as it was left.
   */
  allow(allowed: readonly ScopedElement[], now: number): Promise<void>
  /** Whether it is as the last script left it; what a set holds is not looked at. */
  intact(): Promise<boolean>
  /** No error where there is none. */
  remove(): Promise<void>
}

export function nftPostureTable(nft: Nft): PostureTable {
  let left: string | undefined
  let confirmed: string | undefined
  let allowed: AllowedSets = new Map()
  // Terse and without state: neither the sets' elements nor the counters. To list one table only reads all elements first,
  // which takes seconds where there are many networks; to list all tables takes milliseconds.
  const listing = async () => tableIn((await nft.list('-t', '-s', 'list', 'ruleset', 'inet')) ?? '')
  return {
    enforcing: true,
    run: async (script) => {
      const named = nameSets(script)
      const wanted = allowedSets(script.allowed, script.now)
      await nft.run(printPosture(script, named, wanted))
      allowed = wanted
      confirmed = script.before && printConfirmed(script, named)
      // The kernel has it already: a listing that fails is no refusal, and the next look writes it again.
      left = await listing().catch(() => undefined)
    },
    open: (seconds) => nft.run(printOpening(seconds)),
    confirm: async () => {
      const script = confirmed ?? nothingOnTrial()
      if ((await listing()) !== left) throw changedMeanwhile()
      await nft.run(script)
      confirmed = undefined
      left = await listing().catch(() => undefined)
    },
    protect: (here) => nft.run(printProtected(here)),
    allow: async (elements, now) => {
      if ((await listing()) !== left) throw changedMeanwhile()
      const wanted = allowedSets(elements, now)
      await nft.run(printAllowed(allowed, wanted, now))
      allowed = wanted
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
  let confirmed: string | undefined
  let allowed: AllowedSets = new Map()
  return {
    enforcing: false,
    run: async (script) => {
      const named = nameSets(script)
      allowed = allowedSets(script.allowed, script.now)
      print(printPosture(script, named, allowed))
      confirmed = script.before && printConfirmed(script, named)
    },
    open: async (seconds) => print(printOpening(seconds)),
    confirm: async () => {
      print(confirmed ?? nothingOnTrial())
      confirmed = undefined
    },
    protect: async (here) => print(printProtected(here)),
    allow: async (elements, now) => {
      const wanted = allowedSets(elements, now)
      print(printAllowed(allowed, wanted, now))
      allowed = wanted
    },
    intact: async () => true,
    remove: async () => print(removePosture()),
  }
}

/** Undefined for a back end without anything that could hold the rules. */
export async function choosePostureTable(
  { name }: Pick<Firewall, 'name'>,
  print: (script: string) => void,
): Promise<PostureTable | undefined> {
  if (name === 'dry-run') return printedPostureTable(print)
  if (name === 'ipset') {
    const { iptablesPostureTable } = await import('./posture-iptables.ts')
    return iptablesPostureTable(ipsetProgram(), iptablesProgram())
  }
  return name === 'netlink' || name === 'nft' ? nftPostureTable(nftProgram()) : undefined
}
