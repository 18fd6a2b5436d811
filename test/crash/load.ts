/** A sender as a SIEM is one: it sends what was not answered again, and some things twice for no reason. */
import { setTimeout as pause } from 'node:timers/promises'
import type { Body } from '../body.ts'
import type { Chance } from './seeded.ts'
import type { Stage } from './stage.ts'

export type Load = {
  /** Decision by alert id, of all that was acknowledged. */
  acknowledged: ReadonlyMap<string, string>
  /** Requests that got no answer and were sent again. */
  unanswered(): number
  /** Ends once what is under way was acknowledged. Rejects with what went wrong. */
  stop(): Promise<void>
  /** Ends with what is under way unanswered: nothing goes on for ever after a round that failed. */
  abandon(): void
}

type Sent = { id: string; attacker: string; severity: number; rule: string; groups: string[] }

let numbers = 0

export function startLoad(stage: Stage, chance: Chance): Load {
  const sent: Sent[] = []
  const acknowledged = new Map<string, string>()
  let unanswered = 0
  let [stopped, abandoned] = [false, false]

  const send = async (records: readonly Sent[]): Promise<void> => {
    while (!abandoned) {
      const body = await stage.alert(...records).catch(() => undefined)
      if (body) return take(records, body.items)
      unanswered++
      await pause(20)
    }
  }
  const take = (records: readonly Sent[], items: Body['items']) => {
    for (const [index, { id }] of records.entries()) {
      const decision = items[index]?.alerts?.[0]?.decision
      if (decision === undefined) throw new Error(`alert ${id} was taken without a decision`)
      const before = acknowledged.get(id) ?? decision
      if (before !== decision)
        throw new Error(`alert ${id} has decisions ${before} and ${decision}`)
      acknowledged.set(id, decision)
    }
  }
  const work = async () => {
    while (!stopped) {
      const fresh = Array.from({ length: 1 + chance.below(4) }, () => record(chance))
      const again = sent.length > 0 && chance.once(5) ? [chance.of(sent)] : []
      await send([...fresh, ...again])
      sent.push(...fresh)
      await pause(chance.below(8))
    }
  }
  const working = work()
  // A failure is for whoever stops this.
  working.catch(() => {})
  return {
    acknowledged,
    unanswered: () => unanswered,
    stop: async () => {
      stopped = true
      await working
    },
    abandon: () => {
      stopped = abandoned = true
    },
  }
}

/** Few attackers, so that blocks are prolonged and come again after their ends. */
function record(chance: Chance): Sent {
  const last = chance.below(60) + 1
  const attacker = chance.of([`203.0.113.${last}`, `192.0.2.${last}`, `2001:db8:${last}::${last}`])
  return {
    id: `r${++numbers}`,
    attacker,
    severity: 80,
    rule: chance.of(['brief', 'long', 'long']),
    groups: chance.of([['web'], []]),
  }
}
