/** One sink: given what happened, in order, until it has taken it, however long that takes; its place moves only then. */
import type { Logger } from 'pino'
import { Problem, toProblem } from '#contract/problem.ts'
import type { Refusal, Result, Sink } from '#contract/result.ts'
import { printTime } from '#contract/time.ts'
import { ail, heal, longestAskedMs, type SourceHealth } from '../flow/pull.ts'
import { type Pause, tryFor } from '../flow/try-for.ts'
import type { Alarm } from '../notice/alarm.ts'
import { appendJournal, type JournalEntry } from '../store/journal.ts'
import type { Store } from '../store/store.ts'
import { type Batch, nextBatch, wantsWords } from './batch.ts'
import { endOf, type Place, putPlace } from './place.ts'

/** Looked at so often also when nobody says that something happened. */
const slowMs = 30_000
/** So much of no interest may be passed over again after a restart. */
const keepEvery = 1_000
/** After this time too: what was passed over and let go of since would be told as lost after a restart. */
const keepAfterMs = 3_600_000
const firstPauseMs = 1_000
const longestPauseMs = 60_000
/** Sinks have their own, shorter limits; this is for one that hangs all the same. */
const longestTryMs = 10 * 60_000
/** Refusals that are told one by one in the journal; the rest is counted. */
const mostTold = 20

export type FollowParts = {
  store: Store
  issuer: string
  log: Logger
  now(): number
  pause: Pause
}

export type Following = {
  connector: string
  sink: Sink
  /** Where it begins. */
  place: Place
  health: SourceHealth
  alarm: Alarm
  /** Called when the place has moved. */
  moved(place: Place): void
}

/** Resolves when stopped. */
export async function followResults(
  parts: FollowParts,
  following: Following,
  stop: AbortSignal,
): Promise<void> {
  const { store, log, now, pause } = parts
  const { sink, health, alarm } = following
  let pauseMs = firstPauseMs
  let at = { place: following.place, kept: following.place, keptAt: now() }
  while (!stop.aborted)
    try {
      const batch = await nextBatch({ ...parts, ...following, db: store.read }, at.place)
      await step(parts, following, batch, stop)
      const { place, results, gone } = batch
      const kept = results.length > 0 || gone > 0
      const over = passed(at.kept, place)
      const keep = !kept && over > 0 && (over >= keepEvery || now() - at.keptAt >= keepAfterMs)
      if (keep) await store.note((tx) => putPlace(tx, sink.key, place, now()))
      at = keep || kept ? { place, kept: place, keptAt: now() } : { ...at, place }
      if (results.length > 0) pauseMs = firstPauseMs
      following.moved(place)
      const end = await endOf(store.read)
      health.waiting = waitingOf(place, end)
      if (results.length < sink.most && isBehind(sink, place, end)) await alarm.rest(slowMs, stop)
    } catch (error) {
      if (stop.aborted) return
      const problem = toProblem(error)
      ail(health, 'away', problem)
      health.waiting = await waitingNow(store, at.place, health.waiting ?? 0)
      log.warn({ sink: sink.key, err: problem }, 'results were not taken and are given again')
      const asked = Math.min(problem.retryMs ?? 0, longestAskedMs)
      await pause(Math.max(pauseMs, asked), stop)
      pauseMs = Math.min(pauseMs * 2, longestPauseMs)
    }
}

function passed(from: Place, to: Place): number {
  return Math.max(to.seq - from.seq, to.alert - from.alert)
}

/** Lines of the journal, whether or not the sink will want them. */
function waitingOf(place: Place, end: Place): number {
  return Math.max(0, end.seq - place.seq)
}

/** While a sink is away nobody else counts; a store that cannot be read leaves what was known. */
async function waitingNow({ read }: Store, place: Place, known: number): Promise<number> {
  try {
    return waitingOf(place, await endOf(read))
  } catch {
    return known
  }
}

/** Words may be many of which the sink wants none, so that a batch is empty and more is there. */
function isBehind(sink: Sink, place: Place, end: Place): boolean {
  return place.seq >= end.seq && (place.word >= end.word || !wantsWords(sink))
}

/** The place behind the batch is kept once the sink has taken it. */
async function step(
  { store, now, log, pause }: FollowParts,
  { sink, health }: Following,
  { results, place, gone }: Batch,
  stop: AbortSignal,
): Promise<void> {
  if (results.length === 0 && gone === 0) return
  const give = async (signal: AbortSignal) =>
    results.length === 0 ? [] : sink.take(results, signal)
  const refused = await tryFor(longestTryMs, give, pause, stop)
  const lines = [
    ...refusalLines(sink.key, results, refused, now()),
    ...lossLines(sink.key, gone, now()),
  ]
  await store.write(async (tx) => {
    await appendJournal(tx, lines)
    await putPlace(tx, sink.key, place, now())
  })
  for (const { id, problem } of refused)
    log.warn({ sink: sink.key, result: id, err: problem }, 'a result can never be taken')
  Object.assign(health, { state: 'following', last: printTime(now()) })
  health.records += results.length
  health.refused += refused.length + gone
  const problem = refused[0]?.problem ?? (gone > 0 ? lost(gone) : undefined)
  if (problem) ail(health, 'following', problem)
  else heal(health)
}

/** The journal waits for whoever reads it; alerts are kept as long as the settings say, and no longer. */
function lossLines(sink: string, gone: number, at: number): JournalEntry[] {
  if (gone === 0) return []
  const after = { lost: gone, problem: lost(gone).message }
  return [{ at, actor: 'service', action: 'result.lost', subject: sink, after }]
}

function lost(gone: number): Problem {
  const whose = gone === 1 ? 'an alert was' : `up to ${gone} alerts were`
  return new Problem('too_old', `${whose} let go of before the sink could be told`, {
    remedy:
      'it was away for longer than alerts are kept: see retention.alerts in the settings file; decisions and what nodes said were told all the same',
  })
}

/** One line a batch. What is said of a refusal and refused again is not said once more, which would never end. */
function refusalLines(
  sink: string,
  results: readonly Result[],
  refused: readonly Refusal[],
  at: number,
): JournalEntry[] {
  const byId = new Map(results.map((result) => [result.id, result]))
  const told = refused.flatMap(({ id, problem }) => {
    const result = byId.get(id)
    if (!result || result.action === refusedAction) return []
    const { action, decision } = result
    return [{ id, action, decision: decision?.id, code: problem.code, problem: problem.message }]
  })
  const [first] = told
  if (!first) return []
  const after = {
    refused: told.length,
    of: results.length,
    problem: first.problem,
    results: told.slice(0, mostTold),
  }
  return [{ at, actor: 'service', action: refusedAction, subject: sink, after }]
}

const refusedAction = 'result.refused'
