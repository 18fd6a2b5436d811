/** Takes alerts from all senders and records them in batches: what comes during one commit is the next batch. */
import type { Alert } from '#contract/alert.ts'
import { Problem } from '#contract/problem.ts'
import type { Outcome } from '../decide/verdict.ts'
import type { DecisionState } from '../store/decisions.ts'
import { type JudgeParts, judgeBatch } from './judge-batch.ts'

/** Alerts in one transaction at most. */
const batchLimit = 1_000

/** Alerts that may wait; above it the sender is told to come again. */
const queueLimit = 50_000

export type Recorded = {
  alert: string
  /** `repeat`: this alert was stored before, and its decision stands. */
  result: 'stored' | 'repeat'
  decision: string
  outcome: Outcome
  state: DecisionState
}

export type Recorder = {
  /**
   * Resolves, in the order of the alerts, when they, their decisions and the signed envelopes are on the disk. An
   * idle recorder begins at once. Rejects with `overloaded`, or with what the store says; then nothing was stored.
   */
  record(alerts: readonly Alert[]): Promise<Recorded[]>
  waiting(): number
}

type Job = {
  alerts: readonly Alert[]
  done: (recorded: Recorded[]) => void
  failed: (error: unknown) => void
}

export function openRecorder(parts: JudgeParts): Recorder {
  let jobs: Job[] = []
  let waiting = 0
  let busy = false

  const work = async (): Promise<void> => {
    busy = true
    while (jobs.length > 0) {
      const batch = takeBatch(jobs)
      jobs = jobs.slice(batch.length)
      await recordJobs(parts, batch)
      for (const job of batch) waiting -= job.alerts.length
    }
    busy = false
  }

  return {
    waiting: () => waiting,
    record: (alerts) =>
      new Promise((done, failed) => {
        if (waiting + alerts.length > queueLimit) return failed(overloaded(waiting))
        if (alerts.length === 0) return done([])
        jobs.push({ alerts, done, failed })
        waiting += alerts.length
        if (!busy) void work()
      }),
  }
}

/** Never rejects: each job hears of its own failure. */
async function recordJobs(parts: JudgeParts, jobs: readonly Job[]): Promise<void> {
  try {
    const alerts = jobs.flatMap((job) => job.alerts)
    const { recorded, envelopes } = await parts.store.write((tx) => judgeBatch(tx, parts, alerts))
    parts.hub.publish(envelopes)
    let next = 0
    for (const job of jobs) {
      job.done(recorded.slice(next, next + job.alerts.length))
      next += job.alerts.length
    }
  } catch (error) {
    for (const job of jobs) job.failed(error)
  }
}

/** The first job always, then as many as fit. */
function takeBatch(jobs: readonly Job[]): Job[] {
  const batch: Job[] = []
  let alerts = 0
  for (const job of jobs) {
    alerts += job.alerts.length
    if (batch.length > 0 && alerts > batchLimit) break
    batch.push(job)
  }
  return batch
}

function overloaded(waiting: number): Problem {
  return new Problem('overloaded', `${waiting} alerts wait to be recorded`, {
    remedy: 'send these again in a second; nothing of this request was stored',
  })
}
