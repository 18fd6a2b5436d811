/** An agent for tests that puts standing rules on trial in the kernel, says so, and waits there for its end. */

import { readAddress } from '#contract/address.ts'
import type { PostureRule } from '#contract/posture.ts'
import { ipsetProgram } from '../../agent/kernel/ipset-program.ts'
import { iptablesProgram } from '../../agent/kernel/iptables-program.ts'
import { nftProgram } from '../../agent/kernel/nft.ts'
import { iptablesPostureTable } from '../../agent/kernel/posture-iptables.ts'
import { nftPostureTable, type PostureTable } from '../../agent/kernel/posture-table.ts'
import type { PostureScript } from '../../agent/posture-sets.ts'
import { posture, postureNode } from '../agent/posture-node.ts'

export type BackEnd = 'nft' | 'ipset-legacy' | 'ipset-nft'
/** Standing rules that judge, and those that are on trial. */
export type Trial = {
  backEnd: BackEnd
  seconds: number
  before: readonly PostureRule[]
  tried: readonly PostureRule[]
  here: readonly string[]
  /** Where an agent remembers; without it only the table is written. */
  folder?: string
}

export function tableOf(backEnd: BackEnd): PostureTable {
  if (backEnd === 'nft') return nftPostureTable(nftProgram())
  const variant = backEnd === 'ipset-legacy' ? '-legacy' : '-nft'
  return iptablesPostureTable(ipsetProgram(), iptablesProgram(variant))
}

export function scriptOf({ before, tried, here }: Pick<Trial, 'before' | 'tried' | 'here'>) {
  const standing = (rules: readonly PostureRule[]) =>
    rules.length === 0
      ? []
      : [{ audience: 'all', version: rules.length, posture: posture(rules).posture }]
  const script: PostureScript = {
    ...{ postures: standing(tried), before: standing(before), networks: () => [], now: 0 },
    here: here.map((network) => ({ address: readAddress(network), why: 'administration' })),
  }
  return script
}

async function tryThem({ folder, ...trial }: Trial): Promise<void> {
  const { backEnd, seconds, before, tried, here } = trial
  const table = tableOf(backEnd)
  if (folder === undefined) {
    await table.run(scriptOf(trial))
    return table.open(seconds)
  }
  const node = postureNode({ folder, table })
  node.here.push(...scriptOf({ before, tried, here }).here)
  await node.postures.begin()
  await node.give(1, posture(before))
  await node.postures.settled()
  node.service.answers = false
  const opened = new Promise<void>((resolve) => {
    node.service.reach = async () => resolve()
  })
  await node.give(2, posture(tried), { confirm: seconds })
  await opened
}

if (process.argv[2] !== undefined) {
  await tryThem(JSON.parse(process.argv[2]))
  process.stdout.write('on trial\n')
  setInterval(() => {}, 60_000)
}
