/** Alerts out of what they come in: a search hit, a body of Kibana's webhook connector, or nothing around them. */
import { Problem } from '#contract/problem.ts'
import type { JsonObject } from '../read-path.ts'
import { isObject } from '../read-path.ts'
import { notUnderstood, parseText } from '../read-record.ts'

export const expected = 'a detection alert of Elastic Security, or {"alerts": [ … ]} with several'
const mostAlerts = 10_000

export type Document = {
  fields: JsonObject
  id: string | undefined
  index: string
  original: unknown
}

/** The alerts of a body of Kibana's, none of them looked into. Throws `malformed_json`, and `invalid_input` for too many. */
export function split(record: unknown): unknown[] {
  const body = typeof record === 'string' ? parseText(record, expected) : record
  const inner = alertsIn(body)
  if (inner === undefined) return [record]
  if (inner.length > mostAlerts)
    throw notUnderstood(`the body holds ${inner.length} alerts, more than ${mostAlerts}`, expected)
  return inner
}

/** Throws `malformed_json` and `invalid_input`: a record with one alert that is none is refused as a whole. */
export function unpack(record: unknown): Document[] {
  if (record instanceof Problem) throw record
  return split(record).map((alert) => {
    const value = typeof alert === 'string' ? parseText(alert, expected) : alert
    return unpackOne(value, alert)
  })
}

function alertsIn(body: unknown): unknown[] | undefined {
  if (Array.isArray(body)) return body
  if (!isObject(body)) return undefined
  const alerts = body.alerts ?? (isObject(body.context) ? body.context.alerts : undefined)
  if (Array.isArray(alerts)) return alerts
  if (isObject(alerts)) return [alerts]
  return typeof alerts === 'string' ? joined(alerts) : undefined
}

/** In quotes, Kibana's template prints the objects one after the other with commas and without brackets. */
function joined(text: string): unknown[] {
  const value = parseText(text.trimStart().startsWith('[') ? text : `[${text}]`, expected)
  return Array.isArray(value) ? value : [value]
}

function unpackOne(value: unknown, original: unknown): Document {
  if (!isObject(value)) throw notUnderstood('an alert is no object', expected)
  const fields = [value._source, value.fields].find(isObject) ?? value
  return { fields, id: textOf(value._id), index: textOf(value._index) ?? '', original }
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}
