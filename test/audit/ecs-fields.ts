/** The fields of the Elastic Common Schema 8.17 that an export may use, with their types and, where ECS lists them, values. */
import assert from 'node:assert/strict'
import { isIP } from 'node:net'

type Check = (value: unknown) => boolean

const keyword: Check = (value) => typeof value === 'string' && value !== ''
const ip: Check = (value) => typeof value === 'string' && isIP(value) !== 0
const long: Check = (value) => Number.isSafeInteger(value)
const date: Check = (value) =>
  typeof value === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(value)
const listOf =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.length > 0 && value.every(check)
const oneOf =
  (...allowed: string[]): Check =>
  (value) =>
    typeof value === 'string' && allowed.includes(value)

const fields: Readonly<Record<string, Check>> = {
  '@timestamp': date,
  'ecs.version': keyword,
  message: keyword,
  'event.kind': oneOf('event'),
  'event.category': listOf(oneOf('network', 'configuration', 'host', 'iam')),
  'event.type': listOf(keyword),
  'event.action': keyword,
  'event.outcome': oneOf('success', 'failure', 'unknown'),
  'event.reason': keyword,
  'event.sequence': long,
  'event.hash': keyword,
  'event.module': keyword,
  'event.dataset': keyword,
  'event.provider': keyword,
  'rule.name': keyword,
  'source.ip': ip,
  'destination.ip': ip,
  'related.ip': listOf(ip),
  'related.user': listOf(keyword),
  'user.name': keyword,
  'observer.name': keyword,
  'observer.type': keyword,
  'observer.vendor': keyword,
  'observer.product': keyword,
  'observer.ingress.interface.name': keyword,
  'observer.egress.interface.name': keyword,
  'network.transport': keyword,
  'destination.port': long,
  'organization.name': keyword,
}

/** Which types ECS expects beside a category. */
const types: Readonly<Record<string, readonly string[]>> = {
  network: ['access', 'allowed', 'connection', 'denied', 'end', 'info', 'protocol', 'start'],
  configuration: ['access', 'change', 'creation', 'deletion', 'info'],
  host: ['access', 'change', 'end', 'info', 'start'],
  iam: ['admin', 'change', 'creation', 'deletion', 'group', 'info', 'user'],
}

/** Every document has these. */
const required = ['@timestamp', 'ecs.version', 'event.kind', 'event.category', 'event.type']

/** Throws for a field that ECS does not have outside of `cordon.`, or whose value is not of its type. */
export function checkEcs(document: Readonly<Record<string, unknown>>): void {
  const flat = flatten(document)
  for (const name of required) assert.ok(flat.has(name), `${name} is missing`)
  for (const [name, value] of flat) {
    if (name.startsWith('cordon.')) continue
    const check = fields[name]
    assert.ok(check, `${name} is no field of ECS that is known here`)
    assert.ok(check(value), `${name} is ${JSON.stringify(value)}`)
  }
  const allowed = [flat.get('event.category')].flat().flatMap((name) => types[String(name)] ?? [])
  for (const type of [flat.get('event.type')].flat())
    assert.ok(allowed.includes(String(type)), `event.type ${type}`)
}

function flatten(value: object, path = ''): Map<string, unknown> {
  const flat = new Map<string, unknown>()
  for (const [key, inner] of Object.entries(value)) {
    if (typeof inner === 'object' && inner !== null && !Array.isArray(inner))
      for (const [name, leaf] of flatten(inner, `${path}${key}.`)) flat.set(name, leaf)
    else flat.set(`${path}${key}`, inner)
  }
  return flat
}
