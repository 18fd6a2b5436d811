/** One database file over time: the last good state of it, and what is wrong with the file as it is now. */
import type { Logger } from 'pino'
import { Problem, toProblem } from '#contract/problem.ts'
import { printTime } from '#contract/time.ts'
import type { PlaceFact, PlaceSource } from '../../decide/outside.ts'
import type { SourceState } from '../source.ts'
import { type Database, type FileMark, readDatabase } from './read-database.ts'

export type DatabaseFile = {
  ready(): boolean
  /** Undefined where nothing is known; false where the file is damaged just there. */
  of(host: string): Partial<PlaceFact> | undefined | false
  state(): SourceState
  /** Reads the file when it is another one than before. Never rejects. */
  look(): Promise<void>
  close(): void
}

export function databaseFile(
  source: PlaceSource,
  path: string,
  { now, log }: { now: () => number; log: Logger },
): DatabaseFile {
  let database: Database | undefined
  let mark: FileMark | undefined
  let problem: Problem | undefined
  let closed = false
  let since = now()

  /** What goes on being wrong in the same way is not warned of again. */
  const fail = (found: Problem) => {
    const level = problem?.code === found.code ? 'debug' : 'warn'
    log[level]({ source, problem: found, kept: database !== undefined }, 'a database was refused')
    problem = found
  }
  return {
    ready: () => database !== undefined,
    of: (host) => {
      try {
        return database?.of(host)
      } catch (error) {
        fail(damaged(path, error))
        return false
      }
    },
    look: async () => {
      try {
        const read = await readDatabase(path, source, mark)
        if (closed) return
        mark = read.mark
        if (read.problem) fail(read.problem)
        if (!read.database) return
        if (!database) since = now()
        database = read.database
        problem = undefined
        log.info({ source, path, type: database.type }, 'a database was read')
      } catch (error) {
        // The file that is gone may come back as it was.
        mark = undefined
        fail(toProblem(error))
      }
    },
    state: () => ({
      name: source,
      kind: 'places',
      state: database ? 'ready' : 'silent',
      ...(problem && { problem: problem.toJSON() }),
      ...(database && { age: Math.max(0, now() - database.built) }),
      since,
      details: {
        path,
        ...(database && {
          type: database.type,
          built: printTime(database.built),
          bytes: database.bytes,
        }),
      },
    }),
    close: () => {
      closed = true
      database = undefined
    },
  }
}

/** The same words for every address, so that it is logged once. */
function damaged(path: string, cause: unknown): Problem {
  return new Problem('invalid_input', `${path} is damaged: some of its records cannot be read`, {
    remedy: 'put a whole file there; what can be read goes on to be used',
    cause,
  })
}
