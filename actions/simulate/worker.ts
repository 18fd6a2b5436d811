/** The thread of a simulation: with a connection of its own, so that neither requests nor commits wait for it. */
import { parentPort, workerData } from 'node:worker_threads'
import { readAddress } from '#contract/address.ts'
import { toProblem } from '#contract/problem.ts'
import { type Policy, readPolicy } from '../decide/policy.ts'
import { openReplayReader } from '../store/replay.ts'
import { replay } from './replay.ts'
import type { SimulationOrder, Told } from './simulation.ts'

await run(workerData as SimulationOrder, (told) => parentPort?.postMessage(told))

async function run(order: SimulationOrder, tell: (told: Told) => void): Promise<void> {
  const db = openReplayReader(order.file)
  try {
    const shielded = (text: string) => withProtected(readPolicy(text), order.protect)
    const reports = await replay(
      db,
      {
        since: order.since,
        until: order.until,
        inForce: shielded(order.inForce),
        drafts: order.drafts.map(shielded),
        around: order.around,
        rule: order.rule,
      },
      (progress) => tell({ progress }),
    )
    tell({ reports })
  } catch (error) {
    tell({ problem: toProblem(error).toJSON() })
  } finally {
    await db.destroy()
  }
}

/** Settings may protect more than the file says, whatever the file. */
function withProtected(policy: Policy, protect: SimulationOrder['protect']): Policy {
  const named = protect.map(({ address, why }) => ({ address: readAddress(address), why }))
  return { ...policy, protect: [...policy.protect, ...named] }
}
