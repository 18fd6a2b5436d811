/** Colour, columns and times as people read them. */
import { styleText } from 'node:util'
import { printDuration } from '#contract/duration.ts'
import { printable } from '#contract/printable.ts'
import type { Io } from './command.ts'

type Style = 'red' | 'green' | 'yellow' | 'cyan' | 'bold' | 'dim'

/** As it is where it is not a terminal or colour is not wanted. */
export function paint(
  io: Pick<Io, 'screen'>,
  where: 'out' | 'err',
  style: Style,
  text: string,
): string {
  return io.screen.colour[where] ? styleText(style, text, { validateStream: false }) : text
}

/** A heading and rows; the last column is never padded. Cells are made printable here. */
export function printColumns(
  io: Io,
  headings: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const cells = rows.map((row) => row.map((cell) => printable(cell)))
  const widths = headings.map((heading, at) =>
    Math.max(heading.length, ...cells.map((row) => row[at]?.length ?? 0)),
  )
  const line = (row: readonly string[]) =>
    row
      .map((cell, at) => (at === row.length - 1 ? cell : cell.padEnd(widths[at] ?? 0)))
      .join('  ')
      .trimEnd()
  return [paint(io, 'out', 'dim', line(headings)), ...cells.map(line), ''].join('\n')
}

/** `name   value` lines, for one thing. Empty values are left out. */
export function printFields(fields: readonly (readonly [string, string | null | undefined])[]) {
  const told = fields.filter(([, value]) => value !== undefined && value !== null && value !== '')
  const width = Math.max(...told.map(([name]) => name.length))
  return told
    .map(([name, value]) => `${name.padEnd(width)}  ${printable(value ?? '', 1_000)}\n`)
    .join('')
}

/** `2026-03-01 01:02:03Z (3m 5s ago)`; in the future `(in 4h)`. */
export function printWhen(time: string | null, now: number): string {
  if (time === null) return ''
  return `${time.slice(0, 19).replace('T', ' ')}Z (${printAgo(time, now)})`
}

export function printAgo(time: string | null, now: number): string {
  if (time === null) return 'never'
  const ms = Date.parse(time) - now
  if (Math.abs(ms) < 1_000) return 'now'
  return ms < 0 ? `${printDuration(-ms)} ago` : `in ${printDuration(ms)}`
}
