/** Spamhaus DROP as JSON: one object a line, and a last line that says how many there are. */
import { Problem } from '#contract/problem.ts'
import { type ListReader, linesOf } from './sink.ts'

export const readDropJson: ListReader = (text, sink, column = 'cidr') => {
  let whole = false
  for (const line of linesOf(text)) {
    const row = parse(line)
    if (row.type === 'metadata') {
      whole = true
      sink.heading()
      if (typeof row.timestamp === 'number') sink.made(row.timestamp * 1_000)
      if (typeof row.records === 'number') sink.promised(row.records)
      continue
    }
    const entry = row[column]
    sink.entry(typeof entry === 'string' ? entry : line)
  }
  if (!whole)
    throw new Problem('invalid_input', 'the list is cut: its last line, the metadata, is missing', {
      remedy: 'the last good copy stays in force; the list is fetched again by itself',
    })
}

function parse(line: string): Record<string, unknown> {
  try {
    const row: unknown = JSON.parse(line)
    return typeof row === 'object' && row !== null ? { ...row } : {}
  } catch {
    return {}
  }
}
