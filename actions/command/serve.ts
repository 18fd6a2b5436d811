/** `cordon serve`: the decision service alone, logging as the settings say. */
import { randomBytes } from 'node:crypto'
import { rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type Logger, pino } from 'pino'
import { Problem } from '#contract/problem.ts'
import { startService } from '../service.ts'
import type { Handler, Io } from './command.ts'
import { readStartup, type Startup } from './read-startup.ts'
import { printServeScreen } from './screen.ts'
import { stay } from './stay.ts'

export const serve: Handler = async (asked, io) => {
  const startup = await readStartup(asked, io.environment)
  const log = openLog(io, startup.service.log_level)
  const newAdminToken = asked.flag('new-admin-token')
  const deps = { ...serviceDeps(startup, io, log), newAdminToken }
  const service = await startService(startup.service, deps)
  const { url, adminToken } = service
  io.out(
    asked.json
      ? `${JSON.stringify({ url, admin_token: adminToken ?? null })}\n`
      : printServeScreen(io, url, adminToken && keepToken(startup.service.data_dir, adminToken)),
  )
  await stay(io.signals, service, log, () => service.stop())
  return 0
}

export function serviceDeps(startup: Startup, io: Io, log: Logger) {
  const { connectorSections, sections, environment } = startup
  return { log, environment, connectorSections, sections, now: io.now, random: randomBytes }
}

/** Lines of JSON to standard error, so that they never mix with results. */
export function openLog(io: Pick<Io, 'err'>, level: Startup['service']['log_level']): Logger {
  const serializers = { err: printError }
  return pino({ level, base: null, serializers }, { write: (line: string) => io.err(line) })
}

/** Where in the code a problem arose helps nobody who reads the log; what nobody expected keeps its stack. */
function printError(error: unknown): object {
  if (!(error instanceof Problem) || error.code === 'internal')
    return error instanceof Error ? pino.stdSerializers.err(error) : { message: String(error) }
  const { code, detail: message, remedy, cause } = error.toJSON()
  return { code, message, remedy, cause }
}

/** Where CORDON_TOKEN_FILE can name it. A file that was there is not written into: others may have it open. */
function keepToken(dataDir: string, token: string): string {
  const path = join(resolve(dataDir), 'admin-token')
  rmSync(path, { force: true })
  writeFileSync(path, `${token}\n`, { mode: 0o600, flag: 'wx' })
  return path
}
