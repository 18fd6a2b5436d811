/** Supervises the sources that connectors follow: the cursor moves only after the alerts are stored. */
import type { Logger } from 'pino'
import { z } from 'zod'
import type { Page, Source } from '#contract/connector.ts'
import { printable } from '#contract/printable.ts'
import { Problem, type ProblemBody, type ProblemCode, toProblem } from '#contract/problem.ts'
import { printTime } from '#contract/time.ts'
import { putSourceCursor, readSourceCursor } from '../store/cursors.ts'
import { heldStatements } from '../store/statements.ts'
import type { Store } from '../store/store.ts'
import { type RunningConnector, receive } from './receive.ts'
import type { Recorder } from './record.ts'

const firstPauseMs = 500
const longestPauseMs = 30_000
/** Longer than this nobody is left alone, whatever he asks for. */
export const longestAskedMs = 600_000

/** What `cordon connector list` shows of a followed source. */
export type SourceHealth = {
  connector: string
  source: string
  /** `away`: who is served cannot be reached, which keeps this service from nothing. */
  state: 'following' | 'failing' | 'away'
  records: number
  refused: number
  /** Of results: how many are still to be taken, about. */
  waiting?: number
  last?: string
  problem?: string
  /** Of the problem: what to branch on, and what to do about it. */
  code?: ProblemCode
  remedy?: string
}

export function ail(
  line: SourceHealth,
  state: 'failing' | 'away' | 'following',
  problem: Problem,
): void {
  heal(line)
  const { message, code, remedy } = problem
  Object.assign(line, { state, problem: message, code }, remedy !== undefined && { remedy })
}

/** What was wrong is over. */
export function heal(line: SourceHealth): void {
  delete line.problem
  delete line.code
  delete line.remedy
}

export type PullParts = {
  store: Store
  recorder: Recorder
  log: Logger
  now(): number
  /** Resolves after the time or when stopped. */
  pause(ms: number, stop: AbortSignal): Promise<void>
}

/** Every source that a connector offers is followed until stopped; `health` gets a line for each. */
export function followSources(
  parts: PullParts,
  connectors: Iterable<RunningConnector>,
  health: SourceHealth[],
): { stop(): Promise<void> } {
  const stop = new AbortController()
  const following: Promise<void>[] = []
  for (const running of connectors)
    for (const source of running.connector.sources?.(running.settings) ?? []) {
      const line: SourceHealth = {
        connector: running.connector.name,
        source: source.key,
        state: 'following',
        records: 0,
        refused: 0,
      }
      health.push(line)
      following.push(pull(parts, running, source, line, stop.signal))
    }
  return {
    stop: async () => {
      stop.abort()
      await Promise.all(following)
    },
  }
}

/** Follows until stopped, starting anew with growing pauses after a failure. */
async function pull(
  parts: PullParts,
  running: RunningConnector,
  source: Source,
  health: SourceHealth,
  stop: AbortSignal,
): Promise<void> {
  let pauseMs = firstPauseMs
  while (!stop.aborted) {
    try {
      const from = await readSourceCursor(parts.store.read, cursorName(running, source))
      const held = () => heldStatements(parts.store.read, running.connector.name)
      let place = from
      for await (const page of source.follow(from, stop, held)) {
        await take(parts, running, source, page, health)
        // Records that lead nowhere will come again: who breaks off after them each time is left alone for longer.
        if (page.cursor !== place || page.records.length === 0) pauseMs = firstPauseMs
        place = page.cursor
      }
    } catch (error) {
      const problem = toProblem(error)
      ail(health, 'failing', problem)
      parts.log.warn({ source: source.key, err: problem }, 'a source fails and is tried again')
      await parts.pause(Math.max(pauseMs, Math.min(problem.retryMs ?? 0, longestAskedMs)), stop)
      pauseMs = Math.min(pauseMs * 2, longestPauseMs)
    }
  }
}

async function take(
  parts: PullParts,
  running: RunningConnector,
  source: Source,
  page: Page,
  health: SourceHealth,
): Promise<void> {
  const now = parts.now()
  const answers = await receive(parts.recorder, running, page.records, now)
  await parts.store.write((tx) =>
    putSourceCursor(tx, cursorName(running, source), page.cursor, now),
  )
  const refused = answers.filter((answer) => answer.status === 'refused')
  for (const { index, problem } of refused)
    parts.log.warn(
      { source: source.key, record: nameOf(page.records[index]), problem },
      'a record was refused',
    )
  health.records += page.records.length
  health.refused += refused.length
  if (page.records.length > 0) health.last = printTime(now)
  if (page.trouble) {
    ail(health, 'failing', page.trouble)
    parts.log.warn({ source: source.key, err: page.trouble }, 'a source has nothing to read')
    return
  }
  const [first] = refused
  if (first) ail(health, 'following', ofRecord(page.records[first.index], first.problem))
  // Nobody has seen to a record that was refused because nothing came since.
  else if (health.state !== 'following' || page.records.length > 0) heal(health)
  health.state = 'following'
}

function ofRecord(record: unknown, { code, detail, remedy }: ProblemBody): Problem {
  const name = nameOf(record)
  const message = `a record${name === undefined ? '' : ` (${name})`} was refused: ${detail}`
  return new Problem(code, message, { ...(remedy !== undefined && { remedy }) })
}

const Named = z.union([
  z.looseObject({ _id: z.string() }).transform(({ _id }) => _id),
  z.looseObject({ id: z.string() }).transform(({ id }) => id),
])

/** By which it is found again where it came from, if it has a name there; nothing else of it is repeated. */
function nameOf(record: unknown): string | undefined {
  const name = record instanceof Problem ? undefined : Named.safeParse(record).data
  return name === undefined ? undefined : printable(name, 100)
}

function cursorName(running: RunningConnector, source: Source): string {
  return `${running.connector.name}:${source.key}`
}
