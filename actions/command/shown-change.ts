/** One change of a file on the screen: what it is, and its diff in colour. */
import { printable } from '#contract/printable.ts'
import type { Shown } from '../manifest/print-plan.ts'
import type { Io } from './command.ts'
import { paint } from './paint.ts'

export function printShown(io: Io, { path, what, rights, diff }: Shown): string {
  const title = `${what} ${printable(path, 1_000)}${rights === '' ? '' : `, ${rights}`}`
  const lines = diff === '' ? [] : diff.trimEnd().split('\n')
  return [
    paint(io, 'out', 'bold', title),
    ...lines.map((line) => printLine(io, line)),
    '',
    '',
  ].join('\n')
}

function printLine(io: Io, line: string): string {
  const text = printable(line.replaceAll('\t', '    ').replace(/\r$/, ''), 1_000)
  if (/^(---|\+\+\+) /.test(line)) return paint(io, 'out', 'dim', text)
  if (line.startsWith('+')) return paint(io, 'out', 'green', text)
  if (line.startsWith('-')) return paint(io, 'out', 'red', text)
  return line.startsWith('@@') ? paint(io, 'out', 'cyan', text) : text
}
