/** The thread of a simulation: with a connection of its own, so that neither requests nor commits wait for it. */
import { parentPort, workerData } from 'node:worker_threads'
import { readAddress } from '#contract/address.ts'
import { toProblem } from '#contract/problem.ts'
import { type Policy, readPolicy } from '../decide/policy.ts'
import { openReplayReader } from '../store/replay.ts'
import { replay } from './replay.ts'
import type { Progress } from './report.ts'
import type { SimulationOrder, Told } from './simulation.ts'
import { suggest } from './suggest.ts'

await run(workerData as SimulationOrder, (told) => parentPort?.postMessage(told))

async function run(order: SimulationOrder, tell: (told: Told) => void): Promise<void> {
  const db = openReplayReader(order.file)
  try {
    const read = (text: string) => ({
      policy: withProtected(readPolicy(text), order.protect),
      text,
    })
    const { since, until, around, rule } = order
    const replayed = { since, until, around, inForce: read(order.inForce) }
    const hear = (progress: Progress) => tell({ progress })
    if (order.what === 'suggest') {
      const suggestions = await suggest(db, { ...replayed, read }, hear)
      tell({ report: { suggestions } })
      return
    }
    const drafts = order.drafts.map(read)
    const [report] = await replay(db, { ...replayed, drafts, rule }, hear)
    if (report) tell({ report })
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
