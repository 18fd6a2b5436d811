/** A request's records to stored alerts, item by item: what is wrong with one is said of that one and harms no other. */
import { Alert } from '#contract/alert.ts'
import type { Connector } from '#contract/connector.ts'
import { Problem, type ProblemBody, toProblem } from '#contract/problem.ts'
import { Withdrawal } from '#contract/withdrawal.ts'
import type { Recorded, Recorder } from './record.ts'
import { type Heard, recordInOrder } from './record-in-order.ts'
import type { Withdrawn } from './withdraw.ts'

/** Records in one request. */
export const maxRecords = 10_000

/** Characters of one record as JSON. */
const maxRecordSize = 1_048_576

/** A connector with the settings that it runs with. */
export type RunningConnector = {
  connector: Connector
  settings: unknown
  /** Called after each push to it. */
  listeners?: Set<() => void>
}

export type ItemAnswer =
  | {
      index: number
      status: 'stored' | 'repeat'
      alerts: Recorded[]
      withdrawn?: Withdrawn[]
    }
  /** Well-formed, but nothing that a decision could be made of (a flow record, our own feedback). */
  | { index: number; status: 'ignored' }
  | { index: number; status: 'refused'; problem: ProblemBody }

/** Answers are in the order of the records. When it rejects all may be sent again: what was stored is a repeat then. */
export async function receive(
  recorder: Recorder,
  running: RunningConnector,
  records: readonly unknown[],
  now: number,
): Promise<ItemAnswer[]> {
  const read = records.map((record) => readRecord(running, record, now))
  if (running.connector.withdrawals)
    return receiveBoth(
      recorder,
      read,
      records.map((record) => readWithdrawals(running, record, now)),
    )
  const recorded = await recorder.record(
    read.flatMap((item) => (item instanceof Problem ? [] : item)),
  )
  let next = 0
  return read.map((item, index): ItemAnswer => {
    if (item instanceof Problem) return { index, status: 'refused', problem: item.toJSON() }
    if (item.length === 0) return { index, status: 'ignored' }
    const alerts = recorded.slice(next, next + item.length)
    next += item.length
    const repeat = alerts.every(({ result }) => result === 'repeat')
    return { index, status: repeat ? 'repeat' : 'stored', alerts }
  })
}

/** The same for a connector whose records also take back what earlier ones said. */
async function receiveBoth(
  recorder: Recorder,
  said: readonly (Alert[] | Problem)[],
  takenBack: readonly (Withdrawal[] | Problem)[],
): Promise<ItemAnswer[]> {
  // What a record takes back counts also when what it says anew cannot be taken: else a block would outlive its reason.
  const words = said.map((alerts, index) => {
    const withdrawals = takenBack[index] ?? []
    if (withdrawals instanceof Problem) return { alerts: [], withdrawals: [], problem: withdrawals }
    return alerts instanceof Problem
      ? { alerts: [], withdrawals, problem: alerts }
      : { alerts, withdrawals }
  })
  const heard = await recordInOrder(recorder, words)
  return words.map(({ problem }, index): ItemAnswer => {
    if (problem) return { index, status: 'refused', problem: problem.toJSON() }
    return answerTo(index, heard[index] ?? { alerts: [], withdrawn: [] })
  })
}

/** To take back what was never said changes nothing. */
function answerTo(index: number, { alerts, withdrawn }: Heard): ItemAnswer {
  const done = withdrawn.filter((one) => one.alerts > 0)
  if (alerts.length === 0 && done.length === 0) return { index, status: 'ignored' }
  const repeat = done.length === 0 && alerts.every(({ result }) => result === 'repeat')
  const status = repeat ? 'repeat' : 'stored'
  return { index, status, alerts, ...(done.length > 0 && { withdrawn: done }) }
}

function readWithdrawals(
  { connector, settings }: RunningConnector,
  record: unknown,
  now: number,
): Withdrawal[] | Problem {
  try {
    const taken = connector.withdrawals?.(record, { settings, now }) ?? []
    return taken.map((withdrawal) => Withdrawal.parse(withdrawal))
  } catch (error) {
    return toProblem(error)
  }
}

/** The alerts of one record, checked against the contract: a connector's mistake must not reach the store. */
export function readRecord(
  { connector, settings }: RunningConnector,
  record: unknown,
  now: number,
): Alert[] | Problem {
  try {
    refuseLarge(record)
    if (!connector.read)
      throw new Problem('unsupported', `${connector.name} takes no alerts`, {
        remedy: 'it is asked or told by the service; send alerts to a connector that reads them',
      })
    return connector.read(record, { settings, now }).map((alert) => Alert.parse(alert))
  } catch (error) {
    return toProblem(error)
  }
}

function refuseLarge(record: unknown): void {
  const size = sizeOf(record)
  if (size > maxRecordSize)
    throw new Problem(
      'too_large',
      `the record has ${size} characters, more than ${maxRecordSize}`,
      {
        remedy: 'leave out bulky fields such as packet payloads at the sender',
      },
    )
}

function sizeOf(record: unknown): number {
  if (typeof record === 'string') return record.length
  try {
    return JSON.stringify(record)?.length ?? 0
  } catch (error) {
    throw new Problem('invalid_input', 'the record is nested too deeply', {
      remedy: 'send the record as its product wrote it',
      cause: error,
    })
  }
}
