/** The enrichment connector at work in a test, with what it reported. */
import { EventEmitter, once } from 'node:events'
import type { Cordon, Worked } from '#contract/connector.ts'
import { Problem } from '#contract/problem.ts'
import { serveEnrichment } from '../../connectors/opencti/enrich/serve.ts'
import { Settings } from '../../connectors/opencti/settings.ts'
import { connectorId } from './jobs.ts'

export type Serving = {
  /** Of the connector that runs, by which its parts find one another. */
  settings: Settings
  reports: Worked[]
  /** Resolves when so many reports of this kind came. */
  until(kind: 'ready' | 'done' | 'problem', count?: number): Promise<void>
  /** Why it ended by itself; undefined when it was stopped. */
  ended: Promise<Problem | undefined>
  stop(): Promise<void>
}

/** Fails rather than waits for ever. */
const patienceMs = 60_000

export function serving(given: Record<string, unknown>, cordon: Cordon, pingMs = 60_000): Serving {
  const settings = Settings.parse({ id: connectorId, ...given })
  const reports: Worked[] = []
  const heard = new EventEmitter()
  const stop = new AbortController()
  const [server] = serveEnrichment(settings, cordon, pingMs)
  if (!server) throw new Error('nothing is served')
  const ended = server
    .run(stop.signal, (work) => {
      reports.push(work)
      heard.emit('report')
    })
    .then(
      () => undefined,
      (error: unknown) => (error instanceof Problem ? error : Promise.reject(error)),
    )
  const count = (kind: string) =>
    reports.filter((work) => (work instanceof Problem ? 'problem' : work) === kind).length
  return {
    settings,
    reports,
    ended,
    until: async (kind, wanted = 1) => {
      const signal = AbortSignal.timeout(patienceMs)
      while (count(kind) < wanted) {
        const over = ended.then((why) => {
          if (count(kind) < wanted)
            throw new Error(`it ended: ${why?.message}: ${String(why?.cause)}`)
        })
        await Promise.race([once(heard, 'report', { signal }), over])
      }
    },
    stop: async () => {
      stop.abort()
      await ended
    },
  }
}
