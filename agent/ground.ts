/** What the parts of an agent stand on: the state folder, the clock, and what was remembered. */
import type { Problem } from '#contract/problem.ts'
import type { AgentOn } from './agent.ts'
import { Belonging } from './belonging.ts'
import { Clock, timeAtStart } from './clock.ts'
import { Memory, type Remembered } from './memory.ts'
import { Recorder } from './record.ts'
import { issuedAt } from './signature.ts'
import { Troubles } from './troubles.ts'
import { Wished } from './wished.ts'

export type Ground = {
  belonging: Belonging
  clock: Clock
  troubles: Troubles
  memory: Memory
  record: Recorder
  wished: Wished
  /** What the memory held at the start. */
  remembered: Remembered
}

/** Throws `conflict` when the node is not enrolled, and what the state folder throws. */
export function makeGround(folder: string, on: AgentOn): Ground {
  const troubles = new Troubles(on.say)
  const belonging = new Belonging(folder, (problem) => troubles.set('membership', problem))
  const memory = new Memory(folder)
  const remembered = memory.load()
  const signed = [...remembered.standings.values()].map(({ statement }) => issuedAt(statement))
  const clock = new Clock(on.monotonic, timeAtStart(remembered.clock, on.local()), {
    uptime: () => on.local().uptime,
    signed: Math.max(0, ...signed),
  })
  const wished = new Wished()
  const trouble = (problem: Problem) => troubles.set('disk', problem)
  const well = () => troubles.set('disk', undefined)
  const recording = { memory, wished, clock, local: on.local, trouble, well }
  const record = new Recorder(recording, remembered)
  return { belonging, clock, troubles, memory, record, wished, remembered }
}
