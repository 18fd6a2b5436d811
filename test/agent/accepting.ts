/** A node that takes signed statements, without a kernel: what is wished, what is on its disk, and what it answered. */
import { join } from 'node:path'
import type { Action } from '#contract/action.ts'
import { type AcceptOn, acceptEnvelope, acceptLoad, acceptRemembered } from '../../agent/accept.ts'
import { Clock } from '../../agent/clock.ts'
import { type Answer, Differences } from '../../agent/differences.ts'
import { LinkNotes } from '../../agent/link-notes.ts'
import { Memory } from '../../agent/memory.ts'
import { Recorder } from '../../agent/record.ts'
import { type Claim, Wished } from '../../agent/wished.ts'
import { Sequence, today } from './signer.ts'

let count = 0

export function acceptingNode(folder: string, max_blocks = 1_000_000) {
  const path = join(folder, `node-${count++}`)
  const wished = new Wished()
  const local = () => ({ wall: today, uptime: 0, boot: 'one' })
  const trouble = (error: unknown) => {
    throw error
  }
  const record = new Recorder(
    {
      memory: new Memory(path),
      wished,
      clock: new Clock(() => 0, today),
      local,
      trouble,
      well: () => {},
    },
    { standings: new Map(), dropped: [], refused: [] },
  )
  const differences = new Differences(wished, (answer) => record.hear(answer))
  const ceilings = { max_blocks, ipv4_prefix: 16, ipv6_prefix: 32 }
  const on: AcceptOn = {
    wished,
    record,
    differences,
    now: () => today,
    here: () => [],
    ceilings,
    expresses: { scopes: true, reject: true },
    notes: new LinkNotes(),
  }
  const answers: Answer[] = []
  /** For the kernel, which counts as having taken them. */
  const changes = () => {
    const taken = differences.take(today)
    for (const answer of taken.answers) answers.push(answer)
    return taken.changes
  }
  return {
    wished,
    changes,
    /** The last answer to each decision that has this status. */
    answered(status: Answer['status']): Answer[] {
      changes()
      const last = new Map(answers.map((one) => [`${one.audience} ${one.decision}`, one]))
      return [...last.values()].filter((one) => one.status === status)
    },
    step(audience: string, actions: readonly Action[]): void {
      const jws = `${audience} ${actions.map(({ decision }) => decision)}`
      acceptEnvelope(on, new Sequence(audience).claims(actions), jws)
      record.write()
    },
    /** The whole state of the audience; `between` runs whenever something else may. */
    load(audience: string, claims: readonly Claim[], between = () => {}): void {
      const standing = { epoch: 1, seq: 9, hash: 'nine', statement: 's' }
      for (const _ of acceptLoad(on, { audience, standing, claims, answers: [] })) between()
      record.write()
    },
    remember: (claims: readonly Claim[]) =>
      acceptRemembered(on, { claims: [...claims], dropped: [], refused: [] }),
    onDisk: () => new Memory(path).load().claims,
    refusedOnDisk: () => new Memory(path).load().refused,
  }
}
