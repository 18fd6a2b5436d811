/** Takes alerts from all senders and records them in batches: what comes during one commit is the next batch. */
import { setTimeout as pause, setImmediate as turn } from 'node:timers/promises'
import type { Alert } from '#contract/alert.ts'
import { Problem } from '#contract/problem.ts'
import type { Withdrawal } from '#contract/withdrawal.ts'
import type { Outcome } from '../decide/verdict.ts'
import type { DecisionState } from '../store/decisions.ts'
import type { Pending } from '../store/pending.ts'
import type { Counts } from './counts.ts'
import type { Given } from './enrich.ts'
import { type JudgeParts, judgeBatch } from './judge-batch.ts'
import { type Withdrawn, withdraw } from './withdraw.ts'

/** Alerts in one transaction at most. */
const batchLimit = 1_000

/**
 * Commits do not begin faster than this after one another, so that at many hundred alerts a second several share one
 * signature: what a node can verify is what limits a fleet. One may begin early by as much, so that an idle recorder, and one
 * at 200 alerts a second, never waits, however unevenly they come.
 */
const paceMs = 4

/** Alerts that may wait; above it the sender is told to come again. */
const queueLimit = 50_000

export type Recorded = {
  alert: string
  /** `repeat`: this alert was stored before, and its decision stands. */
  result: 'stored' | 'repeat'
  /** Of a pending alert, the one that it will be if it becomes a decision of its own. */
  decision: string
  /** `pending`: stored, and judged as soon as the providers that the policy asks have answered, or were given up. */
  outcome: Outcome | 'pending'
  state: DecisionState | 'pending'
}

export type Recorder = {
  /**
   * Resolves, in the order of the alerts, when they, their decisions and the signed envelopes are on the disk. An
   * idle recorder begins at once. Rejects with `overloaded`, when nothing was stored, or with what the store says: then
   * the first thousands of a long list may be stored already, and all may be sent again, for those are repeats.
   */
  record(alerts: readonly Alert[], given?: Given): Promise<Recorded[]>
  /** Takes back what was recorded before. Resolves with one answer each when that is on the disk. */
  withdraw(withdrawals: readonly Withdrawal[]): Promise<Withdrawn[]>
  waiting(): number
}

export type RecordParts = JudgeParts & {
  counts: Counts
  /** Takes over what has to be asked, once it is on the disk. */
  later(pending: readonly Pending[]): void
}

type Job = {
  alerts: readonly Alert[]
  given: Given | undefined
  /** Of the first alerts, which are on the disk. */
  recorded: Recorded[]
  /** How many alerts were taken into batches. */
  taken: number
  done: (recorded: Recorded[]) => void
  failed: (error: unknown) => void
}

/** What one batch takes of one job. */
type Part = { job: Job; alerts: readonly Alert[] }

export function openRecorder(parts: RecordParts): Recorder {
  let jobs: Job[] = []
  let waiting = 0
  let busy = false
  let due = Number.NEGATIVE_INFINITY

  const work = async (): Promise<void> => {
    busy = true
    while (jobs.length > 0) {
      const early = due - performance.now()
      if (early > 0) await pause(early)
      due = Math.max(due, performance.now() - paceMs) + paceMs
      const batch = takeBatch(jobs)
      const failed = await recordParts(parts, batch)
      jobs = jobs.filter((job) => !failed.has(job) && job.taken < job.alerts.length)
      waiting = jobs.reduce((sum, job) => sum + job.alerts.length - job.taken, 0)
      // Without this a backlog would be recorded to its end before anybody else is served.
      if (jobs.length > 0) await turn()
    }
    busy = false
  }

  return {
    waiting: () => waiting,
    withdraw: (withdrawals) => withdraw(parts, withdrawals),
    record: (alerts, given) =>
      new Promise((done, failed) => {
        if (waiting + alerts.length > queueLimit) return failed(overloaded(waiting))
        if (alerts.length === 0) return done([])
        jobs.push({ alerts, given, recorded: [], taken: 0, done, failed })
        waiting += alerts.length
        if (!busy) void work()
      }),
  }
}

/** Never rejects: each job hears of its own failure. Returns the jobs that failed. */
async function recordParts(parts: RecordParts, batch: readonly Part[]): Promise<Set<Job>> {
  try {
    const alerts = batch.flatMap((part) => part.alerts)
    const given = givenTo(batch)
    const { recorded, envelopes, blocks, pending } = await parts.store.write((tx) =>
      judgeBatch(tx, parts, alerts, given),
    )
    parts.hub.publish(envelopes)
    parts.blocks.add(blocks)
    if (pending.length > 0) parts.later(pending)
    count(parts.counts, alerts, recorded)
    let next = 0
    for (const { job, alerts } of batch) {
      job.recorded.push(...recorded.slice(next, next + alerts.length))
      next += alerts.length
      if (job.recorded.length === job.alerts.length) job.done(job.recorded)
    }
    return new Set()
  } catch (error) {
    for (const { job } of batch) job.failed(error)
    return new Set(batch.map(({ job }) => job))
  }
}

const nothingGiven: Given = new Map()

function givenTo(batch: readonly Part[]): Given {
  const given = batch.flatMap(({ job }) => (job.given ? [...job.given] : []))
  return given.length === 0 ? nothingGiven : new Map(given)
}

function count(counts: Counts, alerts: readonly Alert[], recorded: readonly Recorded[]): void {
  for (const [index, { result, outcome }] of recorded.entries()) {
    if (result === 'repeat' || outcome === 'pending') continue
    counts.add('alerts', alerts[index]?.source ?? '')
    counts.add('verdicts', outcome)
  }
}

/** The first jobs as far as they fit, the last of them perhaps in part. */
function takeBatch(jobs: readonly Job[]): Part[] {
  const batch: Part[] = []
  let room = batchLimit
  for (const job of jobs) {
    if (room === 0) break
    const alerts = job.alerts.slice(job.taken, job.taken + room)
    job.taken += alerts.length
    room -= alerts.length
    batch.push({ job, alerts })
  }
  return batch
}

function overloaded(waiting: number): Problem {
  return new Problem('overloaded', `${waiting} alerts wait to be recorded`, {
    remedy: 'send these again in a second; nothing of this request was stored',
  })
}
