/** Runs the program of manifests/cortex as Cortex does: by job folder, or by standard input as its first versions did. */
import { type ChildProcess, execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'

export const program = fileURLToPath(new URL('../../manifests/cortex/cordon.py', import.meta.url))

const Report = z.looseObject({
  success: z.boolean(),
  errorMessage: z.string().optional(),
  full: z.looseObject({ message: z.string() }).optional(),
  operations: z.array(z.looseObject({ type: z.string() })).optional(),
  summary: z.object({ taxonomies: z.array(z.record(z.string(), z.string())) }).optional(),
  artifacts: z.array(z.unknown()).optional(),
  input: z.looseObject({ config: z.record(z.string(), z.unknown()) }).optional(),
})
export type Report = z.infer<typeof Report>
export type Ran = { exit: number; report: Report; stdout: string }

/** Process and docker runner of Cortex 3 and 4. */
export async function runInFolder(job: unknown, cacerts?: string): Promise<Ran> {
  const folder = mkdtempSync(join(tmpdir(), 'cortex-job-'))
  try {
    mkdirSync(join(folder, 'input'))
    writeFileSync(join(folder, 'input', 'input.json'), JSON.stringify(job))
    if (cacerts !== undefined) writeFileSync(join(folder, 'input', 'cacerts'), cacerts)
    const { exit, stdout } = await start([folder], '')
    const text = readFileSync(join(folder, 'output', 'output.json'), 'utf8')
    return { exit, stdout, report: Report.parse(JSON.parse(text)) }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/** Cortex 1 and 2. */
export async function runByInput(job: unknown): Promise<Ran> {
  const { exit, stdout } = await start([], JSON.stringify(job))
  return { exit, stdout, report: Report.parse(JSON.parse(stdout)) }
}

/** Started by its first line, as a process runner does. */
export function start(
  given: string[],
  input: string,
): Promise<{ exit: number; stdout: string; stderr: string }> {
  const { promise, resolve } = Promise.withResolvers<{
    exit: number
    stdout: string
    stderr: string
  }>()
  const options = { env: { PATH: process.env.PATH }, timeout: 30_000 }
  const child: ChildProcess = execFile(program, given, options, (_, stdout, stderr) => {
    resolve({ exit: child.exitCode ?? -1, stdout, stderr })
  })
  child.stdin?.end(input)
  return promise
}
