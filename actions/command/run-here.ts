/** The process as a command sees it: streams, colour, signals, environment. */
import { isatty } from 'node:tty'
import type { Io, Parts } from './command.ts'
import { runCommand } from './run.ts'

/** Gives the exit code. A reader that goes away (`| head`) ends the program quietly. */
export function runHere(args: readonly string[], self: string, parts: Parts): Promise<number> {
  process.stdout.on('error', (error) => {
    if ('code' in error && error.code === 'EPIPE') process.exit(0)
    throw error
  })
  return runCommand(args, openIo(self), parts)
}

function openIo(self: string): Io {
  const [out, err] = [isatty(1), isatty(2)]
  const plain = (process.env.NO_COLOR ?? '') !== '' || process.env.TERM === 'dumb'
  return {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    environment: process.env,
    screen: { out, err, colour: { out: out && !plain, err: err && !plain } },
    stdin: () => process.stdin,
    now: Date.now,
    self,
    signals: process,
  }
}
