/** Results as lines of JSON in a file, for whatever reads files: Wazuh, Filebeat, a forwarder of Splunk. */
import { access, constants, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Connector, Finding } from '#contract/connector.ts'
import { Problem } from '#contract/problem.ts'
import type { Refusal, Result, Sink } from '#contract/result.ts'
import { findInOrder, type Step } from '../find.ts'
import { isWanted } from '../wanted-actions.ts'
import { append } from './append.ts'
import { printLine } from './line.ts'
import { Settings } from './settings.ts'

const mostLines = 500

export const connector: Connector<Settings> = {
  name: 'file-out',
  title: 'File of results',
  settings: Settings,
  sinks: (settings) => (settings.path === undefined ? [] : [openFile(settings, settings.path)]),
  test,
}

function openFile(settings: Settings, path: string): Sink {
  const { actions, rotate_at, rotated, longest_line, group_readable } = settings
  const place = { path, rotateAt: rotate_at, rotated, mode: group_readable ? 0o640 : 0o600 }
  return {
    key: `file-out:${path}`,
    wants: (action) => isWanted(action, actions),
    most: mostLines,
    async take(results) {
      const printed = results.map((result) => ({ result, line: printLine(result, longest_line) }))
      const lines = printed.flatMap(({ line }) => line ?? [])
      if (lines.length > 0) await append(place, Buffer.concat(lines))
      return printed.flatMap(({ result, line }) => (line ? [] : [tooLong(result, longest_line)]))
    },
  }
}

function tooLong({ id, action }: Result, longest: number): Refusal {
  const message = `a result of ${action} is longer than ${longest} bytes`
  const remedy = 'give file-out a longer longest_line, if what reads the file takes it'
  return { id, problem: new Problem('too_large', message, { remedy }) }
}

/** Writes nothing. */
async function test({ path }: Settings): Promise<Finding[]> {
  if (path === undefined) return []
  const folder = dirname(path)
  const steps: Step[] = [
    { what: `folder ${folder}`, find: () => mayWrite(folder, constants.W_OK | constants.X_OK) },
    { what: `file ${path}`, find: () => mayAdd(path) },
  ]
  return findInOrder(steps)
}

async function mayAdd(path: string): Promise<string> {
  const found = await stat(path).catch(() => undefined)
  if (!found) return 'is not there yet, and will be made'
  if (found.isFile()) return mayWrite(path, constants.R_OK | constants.W_OK)
  throw new Problem('setting_invalid', `${path} is no file`, {
    remedy: 'name a file of its own in path of file-out',
  })
}

async function mayWrite(path: string, mode: number): Promise<string> {
  await access(path, mode).catch((error: unknown) => {
    throw new Problem('no_privilege', `may not write to ${path}`, {
      remedy: 'make it, and let the user of this service write there',
      cause: error,
    })
  })
  return 'may be written'
}
