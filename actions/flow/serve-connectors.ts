/** Supervises the parts of connectors that run as long as the service: started again with growing pauses, and shown. */
import type { Logger } from 'pino'
import type { Cordon, Server, Worked } from '#contract/connector.ts'
import { Problem, toProblem } from '#contract/problem.ts'
import { printTime } from '#contract/time.ts'
import type { FactSources } from '../facts/sources.ts'
import { forgetCursors, putSourceCursor, readSourceCursor } from '../store/cursors.ts'
import type { Store } from '../store/store.ts'
import { knowledgeOf } from './knowledge.ts'
import type { Orders } from './order.ts'
import { ail, heal, longestAskedMs, type SourceHealth } from './pull.ts'
import type { RunningConnector } from './receive.ts'

const firstPauseMs = 1_000
const longestPauseMs = 60_000
const keptMs = 90 * 24 * 3_600_000
const tidyEveryMs = 24 * 3_600_000

export type ServeParts = {
  store: Store
  sources: FactSources
  orders: Pick<Orders, 'approve' | 'decline'>
  log: Logger
  now(): number
  /** Resolves after the time or when stopped. */
  pause(ms: number, stop: AbortSignal): Promise<void>
}

/** Every server that a connector offers runs until stopped; `health` gets a line for each. */
export function serveConnectors(
  parts: ServeParts,
  connectors: Iterable<RunningConnector>,
  health: SourceHealth[],
): { stop(): Promise<void> } {
  const stop = new AbortController()
  const running: Promise<void>[] = []
  for (const one of connectors) {
    const { connector, settings } = one
    for (const server of connector.serve?.(settings, cordonFor(parts, one)) ?? []) {
      const line: SourceHealth = {
        connector: connector.name,
        source: server.key,
        state: 'away',
        records: 0,
        refused: 0,
      }
      health.push(line)
      running.push(supervise(parts, server, line, stop.signal))
    }
  }
  return {
    stop: async () => {
      stop.abort()
      await Promise.all(running)
    },
  }
}

function cordonFor(
  { store, sources, orders, now }: ServeParts,
  { connector, listeners }: RunningConnector,
): Cordon {
  let tidyAt = now()
  const name = (key: string) => `${connector.name}:kept:${key}`
  return {
    now,
    knowledge: (address) => knowledgeOf({ store, sources, now: now() }, address),
    recall: (key) => readSourceCursor(store.read, name(key)),
    remember: (key, text) =>
      store.write(async (tx) => {
        await putSourceCursor(tx, name(key), text, now())
        if (now() < tidyAt) return
        tidyAt = now() + tidyEveryMs
        await forgetCursors(tx, name(''), now() - keptMs)
      }),
    answer: async (decision, verb, by, reason) => {
      const who = { actor: `${connector.name}/${by}`, reason }
      await (verb === 'approve' ? orders.approve(decision, {}, who) : orders.decline(decision, who))
    },
    onPush: (listener) => {
      listeners?.add(listener)
      return () => void listeners?.delete(listener)
    },
  }
}

async function supervise(
  parts: ServeParts,
  server: Server,
  line: SourceHealth,
  stop: AbortSignal,
): Promise<void> {
  let pauseMs = firstPauseMs
  let ready: number | undefined
  const report = (work: Worked) => {
    line.state = 'following'
    ready ??= parts.now()
    if (work === 'ready') return heal(line)
    pauseMs = firstPauseMs
    tally(parts, line, work)
  }
  while (!stop.aborted) {
    const problem = await ending(server, stop, report)
    if (stop.aborted) return
    ail(line, 'away', problem)
    parts.log.warn(
      { source: server.key, err: problem },
      'a connector cannot serve and starts again',
    )
    // One that fails at its first piece of work each time was ready, and did nothing.
    if (ready !== undefined && parts.now() - ready >= longestPauseMs) pauseMs = firstPauseMs
    ready = undefined
    const asked = Math.min(problem.retryMs ?? 0, longestAskedMs)
    await parts.pause(Math.max(pauseMs, asked), stop)
    pauseMs = Math.min(pauseMs * 2, longestPauseMs)
  }
}

function tally(parts: ServeParts, line: SourceHealth, work: 'done' | Problem): void {
  line.last = printTime(parts.now())
  line.records++
  if (work === 'done') {
    heal(line)
    return
  }
  line.refused++
  ail(line, line.state, work)
  parts.log.warn({ source: line.source, err: work }, 'a connector could not answer')
}

/** Why it does not run any more. */
async function ending(
  server: Server,
  stop: AbortSignal,
  report: (work: Worked) => void,
): Promise<Problem> {
  try {
    await server.run(stop, report)
    return new Problem('internal', `${server.key} ended by itself`)
  } catch (error) {
    return toProblem(error)
  }
}
