/** A row of results out of what it comes in: a webhook, an alert action of an app, or a line of an export. */
import type { JsonObject } from '../read-path.ts'
import { isObject } from '../read-path.ts'
import { notUnderstood, readObject } from '../read-record.ts'

const expected = 'what Splunk sends: an object with result, as by its webhook or an export'

export type Row = {
  row: JsonObject
  search: string | undefined
  sid: string | undefined
  /** Epoch milliseconds from which on the search looked, where we ran it ourselves. */
  earliest: number | undefined
  /** Where the alert action was told to look for the attacker. */
  field: string | undefined
  original: unknown
}

/** Undefined for what is no result: previews, messages, an export without rows. */
export function unpack(record: unknown): Row | undefined {
  const given = readObject(record, expected)
  if (given.preview === true) return undefined
  if (!isObject(given.result)) {
    if (Array.isArray(given.messages) || typeof given.preview === 'boolean') return undefined
    throw notUnderstood('the record has no result', expected)
  }
  const configuration = isObject(given.configuration) ? given.configuration : {}
  return {
    row: given.result,
    search: textOf(given.search_name),
    sid: textOf(given.sid),
    earliest: typeof given.earliest === 'number' ? given.earliest : undefined,
    field: textOf(configuration.field),
    original: withoutSecrets(given, record),
  }
}

/** An alert action is handed a key to Splunk, and whatever people typed into its form. */
function withoutSecrets(given: JsonObject, record: unknown): unknown {
  if (!('session_key' in given || 'configuration' in given)) return record
  const { session_key, configuration, ...rest } = given
  return rest
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}
