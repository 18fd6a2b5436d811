/** A command line for tests: what a person types, and what comes back on both streams. */
import { EventEmitter } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { pino } from 'pino'
import type { Io, Parts } from '../../actions/command/command.ts'
import { runCommand } from '../../actions/command/run.ts'
import { type Service, startService } from '../../actions/service.ts'
import { ServiceSettings } from '../../actions/settings.ts'
import { quickDisk } from '../quick-disk.ts'

export type Transcript = { code: number; out: string; err: string }
export type Typed = {
  environment?: Record<string, string>
  stdin?: string
  /** On a terminal, where colour and bars are. */
  terminal?: boolean
  signals?: Io['signals']
  /** Sees results as they come. */
  heard?: (text: string) => void
  now?: () => number
}

export const root = new URL('../../', import.meta.url)

/** As cordon.ts hands them in. */
export const parts: Parts = {
  start: async () => (await import('../../start.ts')).start,
  agent: async (verb) => {
    const { commands } = await import('../../agent/main.ts')
    return (asked, io) => commands[verb]([...asked.rest], io)
  },
}

export async function type(args: readonly string[], typed: Typed = {}): Promise<Transcript> {
  const said = { out: '', err: '' }
  const on = typed.terminal ?? false
  const code = await runCommand(
    args,
    {
      out: (text) => {
        said.out += text
        typed.heard?.(text)
      },
      err: (text) => {
        said.err += text
      },
      environment: typed.environment ?? {},
      screen: { out: on, err: on, colour: { out: on, err: on } },
      stdin: async function* () {
        yield Buffer.from(typed.stdin ?? '')
      },
      now: typed.now ?? Date.now,
      self: 'cordon',
      signals: typed.signals ?? silent(),
    },
    parts,
  )
  return { code, ...said }
}

/** Signals that a test sends itself; `exits` are the codes that the program would have ended with at once. */
export function silent(): Io['signals'] & { send(name: string): void; exits: number[] } {
  const emitter = new EventEmitter()
  const exits: number[] = []
  return {
    on: (name, listener) => emitter.on(name, listener),
    off: (name, listener) => emitter.off(name, listener),
    exit: (code) => void exits.push(code),
    send: (name) => void emitter.emit(name),
    exits,
  }
}

export function temporaryFolder(): { path: string; remove(): void } {
  const path = mkdtempSync(join(quickDisk(), 'cordon-command-'))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}

/** A real service on a free port of loopback, and commands that are typed to it with its admin token; `sections` are the settings of connectors. */
export async function openService(
  sections: Record<string, Record<string, unknown>> = {},
  settings: { connectors?: string[] } = {},
) {
  const folder = temporaryFolder()
  const service: Service = await startService(
    ServiceSettings.parse({ listen: '127.0.0.1:0', data_dir: folder.path, ...settings }),
    {
      log: pino({ level: 'silent' }),
      environment: {},
      connectorSections: sections,
      now: Date.now,
      random: (bytes) => crypto.getRandomValues(new Uint8Array(bytes)),
    },
  )
  const environment = { CORDON_URL: service.url, CORDON_TOKEN: service.adminToken ?? '' }
  return {
    service,
    folder: folder.path,
    type: (line: string, typed: Typed = {}) =>
      type(words(line), { ...typed, environment: { ...environment, ...typed.environment } }),
    close: async () => {
      await service.stop()
      folder.remove()
    },
  }
}

/** Words as a shell makes them: double quotes keep spaces. */
export function words(line: string): string[] {
  return [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare ?? '')
}
