/** Starts a program of this machine, gives it its input and waits for what it says. */
import { spawn } from 'node:child_process'

export type Ended = { code: number | null; output: string; errors: string }

/** Rejects with what the system says when it cannot be started. */
export function runProgram(
  program: string,
  words: readonly string[],
  input: string | Iterable<string> = '',
  started: (pid: number) => void = () => {},
): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, words, { stdio: ['pipe', 'pipe', 'pipe'] })
    if (child.pid !== undefined) started(child.pid)
    const output: Buffer[] = []
    const errors: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => output.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => errors.push(chunk))
    child.on('error', reject)
    child.on('close', (code) =>
      resolve({
        code,
        output: Buffer.concat(output).toString(),
        errors: Buffer.concat(errors).toString(),
      }),
    )
    // It may end before it has read all: the exit code tells.
    child.stdin.on('error', () => {})
    for (const piece of typeof input === 'string' ? [input] : input) child.stdin.write(piece)
    child.stdin.end()
  })
}
