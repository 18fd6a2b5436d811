/**
 * A line of the journal as a row of CSV (RFC 4180 but for the line ends, which are a line feed).
 *
 * A cell that a spreadsheet would take for a formula, since it begins with = + - @ or a tab, begins with a ' instead.
 * Control characters are shown as \u{…}, so that a row is always one line of the file.
 */
import { stringify } from 'csv-stringify/sync'
import { printable } from '#contract/printable.ts'
import { printTime } from '#contract/time.ts'
import type { Entry } from './entry.ts'
import { outcomeOf, saidBy } from './meaning.ts'

export const csvColumns = [
  'line',
  'time',
  'actor',
  'action',
  'outcome',
  'subject',
  'target',
  'rule',
  'reason',
  'state',
  'not_after',
  'before',
  'after',
  'hash',
] as const

export const csvHead = `${csvColumns.join(',')}\n`

export function toCsv(entry: Entry): string {
  const { line, decision } = entry
  const { reason, target, rule } = saidBy(entry)
  const row: Record<(typeof csvColumns)[number], string> = {
    line: String(line.seq),
    time: printTime(line.at),
    actor: line.actor,
    action: line.action,
    outcome: outcomeOf(line.action),
    subject: line.subject,
    target: target ?? '',
    rule: rule ?? '',
    reason: reason ?? '',
    state: decision?.state ?? '',
    not_after: decision?.notAfter == null ? '' : printTime(decision.notAfter),
    before: line.before ?? '',
    after: line.after ?? '',
    hash: line.hash,
  }
  return stringify([csvColumns.map((column) => cell(row[column]))], { record_delimiter: '\n' })
}

const formula = /^[=+\-@\t\r\uff1d\uff0b\uff0d\uff20]/

/** The tab is looked for before it is made visible. */
function cell(text: string): string {
  const shown = printable(text, Number.POSITIVE_INFINITY)
  return formula.test(text) ? `'${shown}` : shown
}
