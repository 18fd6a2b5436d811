/** What came in, pushed or followed, as one JSON object, or a Problem that says what is wrong with it. */
import { Problem } from '#contract/problem.ts'
import type { JsonObject } from './read-path.ts'
import { isObject } from './read-path.ts'

// rsyslog and Suricata's `prefix` put this before JSON in a syslog message.
const prefix = /^\uFEFF?\s*(?:@cee:)?\s*/

/**
 * Text is parsed, an object is taken as it is. A source may hand on a Problem in place of a record that it could
 * not read; it is thrown here, so that it is counted and shown like every other wrong record.
 */
export function readObject(record: unknown, expected: string): JsonObject {
  if (record instanceof Problem) throw record
  const value = typeof record === 'string' ? parseText(record, expected) : record
  if (isObject(value)) return value
  throw notUnderstood(`expected ${expected}, got ${nameOf(value)}`, expected)
}

/** `invalid_input` with the one remedy that fits all records. */
export function notUnderstood(message: string, expected: string): Problem {
  return new Problem('invalid_input', message, {
    remedy: `send ${expected}, unchanged; this connector's README shows one`,
  })
}

/** True for a line that holds nothing. */
export function isBlank(record: unknown): boolean {
  return typeof record === 'string' && record.length < 100 && record.trim() === ''
}

/** Throws `malformed_json`. */
export function parseText(text: string, expected: string): unknown {
  try {
    return JSON.parse(text.replace(prefix, ''))
  } catch (error) {
    throw new Problem('malformed_json', `expected ${expected} as JSON, got text that is none`, {
      remedy: 'the line was cut or is of another format: check that the file is the JSON one',
      cause: error,
    })
  }
}

function nameOf(value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'an array' : `a ${typeof value}`
}
