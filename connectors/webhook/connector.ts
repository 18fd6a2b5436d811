/** Any JSON that somebody pushes, by declared paths; the defaults understand `{attacker, rule, severity}`. */
import type { Alert } from '#contract/alert.ts'
import type { Connector } from '#contract/connector.ts'
import { Problem } from '#contract/problem.ts'
import { readTime } from '#contract/time.ts'
import type { Seen } from '../make-alerts.ts'
import { makeAlerts } from '../make-alerts.ts'
import { pickPeer } from '../pick-address.ts'
import type { JsonObject } from '../read-path.ts'
import { firstText, isObject, numberAt, textsAt, valuesAt } from '../read-path.ts'
import { isBlank, notUnderstood, parseText, readObject } from '../read-record.ts'
import { Settings } from './settings.ts'

const expected = 'a JSON object, or an array of them'
const mostRecords = 10_000

export const connector: Connector<Settings> = {
  name: 'webhook',
  title: 'Any webhook',
  settings: Settings,
  read(record, { settings, now }) {
    if (isBlank(record)) return []
    return recordsOf(record, settings).flatMap((one) => readOne(one, settings, now))
  },
}

/** All or none: a body with one record that cannot be understood is refused, and says which. */
function recordsOf(record: unknown, settings: Settings): JsonObject[] {
  const body = typeof record === 'string' ? parseText(record, expected) : record
  if (settings.records === undefined)
    return Array.isArray(body) ? checked(body) : [readObject(body, expected)]
  const found = valuesAt(readObject(body, expected), settings.records)
  if (found.length > 0) return checked(found.flat())
  throw notUnderstood(`there is no array at ${settings.records}`, expected)
}

function checked(records: unknown[]): JsonObject[] {
  if (records.length > mostRecords)
    throw notUnderstood(
      `the body holds ${records.length} records`,
      `at most ${mostRecords} records`,
    )
  return records.map((record, index) => {
    if (isObject(record)) return record
    throw notUnderstood(`record ${index} is no object`, expected)
  })
}

function readOne(record: JsonObject, settings: Settings, now: number): Alert[] {
  const { mappings } = settings
  const attackers = hostsAt(record, mappings.attacker)
  const name = firstText(record, mappings.rule_name)
  const id = firstText(record, mappings.rule_id) ?? name
  if (attackers.length === 0 && id === undefined) throw unmapped(settings)
  return makeAlerts(
    {
      source: 'webhook',
      id: idOf(record, settings),
      observed: timeOf(firstText(record, mappings.observed)),
      rule: {
        id: id ?? 'webhook',
        name: name ?? id ?? 'webhook',
        severity: severityOf(firstText(record, mappings.severity), settings),
        groups: mappings.groups.flatMap((path) => textsAt(record, path)),
        mitre: [],
      },
      attackers,
      victim: {
        address: hostsAt(record, mappings.victim_address)[0],
        host: firstText(record, mappings.victim_host),
        port: firstNumber(record, mappings.victim_port),
      },
      user: firstText(record, mappings.user),
      count: firstNumber(record, mappings.count),
    },
    record,
    now,
  )
}

/** The hosts at the first path that holds any; text that is no address names nobody. */
function hostsAt(record: JsonObject, paths: readonly string[]): Seen['attackers'] {
  for (const path of paths) {
    const hosts = valuesAt(record, path)
      .flat()
      .map(pickPeer)
      .filter((host) => host !== undefined)
    if (hosts.length > 0) return hosts
  }
  return []
}

function idOf(record: JsonObject, { mappings }: Settings): Seen['id'] {
  const id = firstText(record, mappings.id)
  return id === undefined ? undefined : ['id', id]
}

function severityOf(told: string | undefined, settings: Settings): number {
  if (told === undefined) return settings.severity
  const word = told.trim().toLowerCase()
  for (const [name, severity] of Object.entries(settings.severity_scale))
    if (name.toLowerCase() === word) return severity
  const number = word === '' ? Number.NaN : Number(word)
  return number >= 0 && number <= 100 ? number : settings.severity
}

/** Epoch numbers below the year 5138 in seconds are seconds; above, milliseconds. */
function timeOf(told: string | undefined): number | undefined {
  if (told === undefined) return undefined
  const number = Number(told)
  if (!Number.isFinite(number) || told.trim() === '') return readTime(told)
  return Math.trunc(number < 1e11 ? number * 1000 : number)
}

function firstNumber(record: JsonObject, paths: readonly string[]): number | undefined {
  return paths.map((path) => numberAt(record, path)).find((number) => number !== undefined)
}

function unmapped({ mappings }: Settings): Problem {
  const tried = [...mappings.attacker, ...mappings.rule_id].join(', ')
  return new Problem('invalid_input', 'the record names neither an attacker nor a rule', {
    remedy: `put them at one of ${tried}, or map your own paths in the connector's settings`,
  })
}
