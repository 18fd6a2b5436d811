/** Starts Cordon as a person does, by its own commands, each part a process of its own. */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const cordon = fileURLToPath(new URL('../../cordon.ts', import.meta.url))
const run = promisify(execFile)

export type Settings = Readonly<Record<string, string>>
export type Started = { process: ChildProcess; url: string; token: string }

/** What a part says on standard error is kept, and shown when it ends too early. */
const said = new WeakMap<ChildProcess, Word[]>()
/** `at` is when it was heard, in monotonic ns. */
export type Word = { at: number; text: string }

/** `preload` is imported before the service, and writes on file descriptor 3. */
export async function startService(settings: Settings, preload?: string): Promise<Started> {
  const words = [...(preload === undefined ? [] : ['--import', preload]), cordon, 'serve', '--json']
  const child = spawn(process.execPath, words, {
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    env: environment(settings),
  })
  keepWords(child)
  const line = await firstLine(child)
  const { url, admin_token: token } = JSON.parse(line)
  return { process: child, url, token }
}

/** `before` is what the commands are run by, such as nsenter. Enrols, then runs. */
export async function startNode(
  name: string,
  token: string,
  settings: Settings,
  before: readonly string[] = [],
): Promise<ChildProcess> {
  const [program = '', ...words] = [...before, process.execPath, cordon, 'agent']
  const env = environment(settings)
  await run(program, [...words, 'enrol', token, '--name', name], { env })
  const child = spawn(program, [...words, 'run'], { stdio: ['ignore', 'ignore', 'pipe'], env })
  keepWords(child)
  return child
}

/** The lines that a part has said so far. */
export function wordsOf(child: ChildProcess): readonly Word[] {
  return said.get(child) ?? []
}

export function printWords(children: readonly ChildProcess[]): string {
  return children.flatMap((child) => wordsOf(child).map(({ text }) => text)).join('\n')
}

/** Nothing of the caller's own Cordon settings gets in. */
function environment(settings: Settings): NodeJS.ProcessEnv {
  const foreign = Object.entries(process.env).filter(([name]) => !name.startsWith('CORDON_'))
  return { ...Object.fromEntries(foreign), ...settings }
}

function keepWords(child: ChildProcess): void {
  const words: Word[] = []
  said.set(child, words)
  if (!child.stderr) return
  createInterface({ input: child.stderr }).on('line', (text) => {
    words.push({ at: Number(process.hrtime.bigint()), text })
  })
}

/** Lines of JSON, as they come. */
export function collect<Line>(from: unknown, into: Line[]): void {
  createInterface({ input: from as Readable }).on('line', (line) => into.push(JSON.parse(line)))
}

async function firstLine(child: ChildProcess): Promise<string> {
  if (!child.stdout) throw new Error('the service has no standard output')
  const lines = createInterface({ input: child.stdout })
  const [line] = await Promise.race([once(lines, 'line'), once(child, 'exit')])
  if (typeof line === 'string') return line
  throw new Error(`the service ended: ${printWords([child])}`)
}
