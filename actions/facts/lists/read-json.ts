/** Lists that are one JSON array: abuse.ch Feodo, the blacklist of AbuseIPDB, and arrays of text. */
import { Problem } from '#contract/problem.ts'
import type { ListReader } from './sink.ts'

const usualKeys = ['ip_address', 'ipAddress', 'ip', 'cidr', 'network', 'address', 'prefix']

export const readJson: ListReader = (text, sink, column) => {
  const parsed = parse(text)
  const rows = Array.isArray(parsed) ? parsed : member(parsed, 'data')
  if (!Array.isArray(rows))
    throw new Problem('invalid_input', 'the JSON is no array, and has no array named data', {
      remedy: 'set the format of the list; drop_json is one object a line',
    })
  sink.heading()
  const made = Date.parse(String(member(member(parsed, 'meta'), 'generatedAt')))
  if (!Number.isNaN(made)) sink.made(made)
  for (const row of rows) sink.entry(entryOf(row, column))
}

function entryOf(row: unknown, column: string | undefined): string {
  if (typeof row === 'string') return row
  const keys = column === undefined ? usualKeys : [column]
  const found = keys.map((key) => member(row, key)).find((value) => typeof value === 'string')
  return typeof found === 'string' ? found : JSON.stringify(row)
}

function member(value: unknown, key: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined
  return Reflect.get(value, key)
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text.trim())
  } catch (error) {
    throw new Problem('invalid_input', 'the list is cut, or is no JSON', {
      remedy: 'the last good copy stays in force; the list is fetched again by itself',
      cause: error,
    })
  }
}
