/** What Cordon left in the packet filter of a host, whatever back end put it there, and how to take it out. */
import { toProblem } from '#contract/problem.ts'
import { type Ipset, ipsetProgram } from './ipset-program.ts'
import { isOurs } from './ipset-sets.ts'
import { IptablesRules } from './iptables.ts'
import { emptying } from './iptables-made.ts'
import { type Iptables, iptablesProgram } from './iptables-program.ts'
import { isAnyOwnChain, readSaved } from './iptables-script.ts'
import { type Nft, nftProgram } from './nft.ts'
import { removePostureChains } from './posture-iptables.ts'
import { isPostureSet } from './posture-iptables-sets.ts'
import { ipsetSensorTable, sensorTraces } from './sensor-ipset.ts'

export type Trace = {
  /** For a person: `table inet cordon`. */
  what: string
  /** What stays all the same, and why. Throws `no_privilege`, `kernel_refused`. */
  remove(): Promise<readonly string[]>
}

export type Programs = { nft: Nft; ipset?: Ipset; iptables?: Iptables }

export function programsHere(): Programs {
  return { nft: nftProgram(), ipset: ipsetProgram(), iptables: iptablesProgram() }
}

/** In the order in which it can be taken out. Programs that are not there left nothing. Throws `no_privilege`. */
export async function tracesOf({ nft, ipset, iptables }: Programs): Promise<Trace[]> {
  const tables = await here(async () => tablesIn((await nft.list('list', 'tables')) ?? ''))
  const chains = iptables ? await here(() => chainsIn(iptables)) : []
  const sets = ipset
    ? await here(async () => [...(await ipset.headers()).keys()].filter(isCordons))
    : []
  const sensor = ipset && iptables ? await here(() => sensorTraces(ipset, iptables)) : []
  return [
    ...tables.map((table) => ({
      what: `table ${table}`,
      remove: nothingStays(() => nft.run(`delete table ${table}\n`)),
    })),
    ...(ipset && iptables && sensor.length > 0
      ? [
          {
            what: sensor.join(', '),
            remove: () => emptying(iptables, () => ipsetSensorTable(ipset, iptables).remove()),
          },
        ]
      : []),
    ...(iptables && chains.length > 0
      ? [
          {
            what: chains.join(', '),
            remove: () => emptying(iptables, () => removeChains(iptables)),
          },
        ]
      : []),
    ...sets.map((set) => ({
      what: `ipset ${set}`,
      remove: nothingStays(async () => ipset?.run([`destroy ${set}`])),
    })),
  ]
}

function nothingStays(act: () => Promise<void>): Trace['remove'] {
  return async () => {
    await act()
    return []
  }
}

function tablesIn(listing: string): string[] {
  const ours = /^table (inet cordon(?:_posture|_sensor|_stand_in|_selftest_\d+)?)$/gm
  return [...listing.matchAll(ours)].map(([, table = '']) => table)
}

async function removeChains(iptables: Iptables): Promise<void> {
  await removePostureChains(iptables)
  await new IptablesRules(iptables).remove()
}

function isCordons(set: string): boolean {
  return isOurs(set) || isPostureSet(set)
}

async function chainsIn(iptables: Iptables): Promise<string[]> {
  const found: string[] = []
  for (const family of iptables.families)
    for (const [table, { chains }] of readSaved(await iptables.save(family)))
      for (const chain of chains.filter(isAnyOwnChain))
        found.push(`${family === 4 ? 'iptables' : 'ip6tables'} ${table} ${chain}`)
  return found
}

async function here(look: () => Promise<string[]>): Promise<string[]> {
  try {
    return await look()
  } catch (error) {
    if (toProblem(error).code === 'firewall_missing') return []
    throw error
  }
}
