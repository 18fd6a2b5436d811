/** Runs one call of the command line: finds the command, gives help, prints what went wrong, gives the exit code. */
import { printable } from '#contract/printable.ts'
import { Problem, type ProblemCode, toProblem } from '#contract/problem.ts'
import { type Io, nameOf, type Parts } from './command.ts'
import { printFamily, printHelp, printOverview } from './help.ts'
import { paint } from './paint.ts'
import { findCommand, readAsked, wantsHelp } from './read-command.ts'
import { table } from './table.ts'

/** `args` are the words after the program's name. Never throws. */
export async function runCommand(args: readonly string[], io: Io, parts: Parts): Promise<number> {
  try {
    return await run(args, io, parts)
  } catch (error) {
    const problem = toProblem(error)
    if (args.includes('--json')) io.out(`${JSON.stringify(problem)}\n`)
    printProblem(problem, io)
    return askedWrongly.includes(problem.code) ? 2 : 1
  }
}

const askedWrongly: readonly ProblemCode[] = [
  'usage',
  'invalid_input',
  'address_invalid',
  'too_wide',
  'protected_target',
  'setting_unknown',
  'setting_invalid',
]

/** Two lines: what happened, and what to do about it. */
export function printProblem(problem: Problem, io: Io): void {
  const { cause, message, remedy } = problem
  const why = cause instanceof Error && cause.message !== '' ? ` (${cause.message})` : ''
  const text = printable(`${message}${problem.code === 'internal' ? why : ''}`, 1_000)
  io.err(`${paint(io, 'err', 'red', 'error:')} ${text}\n`)
  if (remedy !== undefined)
    io.err(`${paint(io, 'err', 'yellow', 'hint:')} ${printable(remedy, 1_000)}\n`)
}

async function run(args: readonly string[], io: Io, parts: Parts): Promise<number> {
  const [first = ''] = args
  if (first === '' || first === '--help' || first === '-h') {
    io.out(printOverview(table, io.self))
    return 0
  }
  if (first === '--version') return run(['version', ...args.slice(1)], io, parts)
  if (first.startsWith('-'))
    throw new Problem('usage', `the command comes first, then ${first}`, {
      remedy: `${io.self} help lists all commands`,
    })
  const family = table.filter(({ words }) => words[0] === first && words[1] !== undefined)
  if (family.length > 0 && wantsHelp(args.slice(1, 2))) {
    io.out(printFamily(family, io.self))
    return 0
  }
  const { command, rest } = findCommand(args, table)
  if (wantsHelp(rest)) {
    io.out(printHelp(command, io.self))
    return 0
  }
  const asked = readAsked(command, rest)
  const handler = await command.load(parts)
  return handler(asked, colouring(asked.option('color'), io, nameOf(command)))
}

function colouring(when: string | undefined, io: Io, name: string): Io {
  if (when === undefined || when === 'auto') return io
  if (when !== 'always' && when !== 'never')
    throw new Problem('usage', `${name}: --color is auto, always or never, not "${when}"`)
  const colour = when === 'always'
  return { ...io, screen: { ...io.screen, colour: { out: colour, err: colour } } }
}
