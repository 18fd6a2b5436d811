/** Imports the connectors that the settings name; the only place where the service meets them. */
import { readdirSync } from 'node:fs'
import { z } from 'zod'
import type { Connector, OtherNames } from '#contract/connector.ts'
import { nearest, Problem } from '#contract/problem.ts'
import { type Environment, readSettings } from '#contract/settings.ts'
import type { RunningConnector } from './flow/receive.ts'
import { servicePrefix } from './settings.ts'

const folder = new URL('../connectors/', import.meta.url)

/** `CORDON_SURICATA_` for the settings of suricata. */
export function connectorPrefix(name: string): string {
  return `${servicePrefix}${name.toUpperCase().replaceAll('-', '_')}_`
}

/** Folders that hold a connector. */
export function connectorNames(): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort()
}

/**
 * `sections` are the parts of the settings file by connector name; `warn` hears what of another program's environment is
 * not heeded. Throws `setting_*`.
 */
export async function loadConnectors(
  names: readonly string[],
  sections: Readonly<Record<string, Record<string, unknown>>>,
  environment: Environment,
  warn: (text: string) => void = (text) => process.emitWarning(text),
): Promise<Map<string, RunningConnector>> {
  const running = new Map<string, RunningConnector>()
  for (const name of [...names, ...Object.keys(sections)]) {
    if (running.has(name)) continue
    const connector = await importConnector(name)
    const settings = readConnectorSettings(connector, environment, sections[name] ?? {}, warn)
    running.set(name, { connector, settings, listeners: new Set() })
  }
  return running
}

/** Throws `setting_invalid` for a name that has no folder. */
export async function importConnector(name: string): Promise<Connector> {
  const known = connectorNames()
  if (!known.includes(name)) {
    const guess = nearest(name, known)
    throw new Problem('setting_invalid', `there is no connector ${name}`, {
      remedy: guess ? `did you mean ${guess}?` : `there are ${known.join(', ')}`,
    })
  }
  const module: unknown = await import(new URL(`${name}/connector.ts`, folder).href)
  return readConnector(module, name)
}

/** Anybody may add a folder. Throws `setting_invalid` for a module that exports no connector. */
export function readConnector(module: unknown, name: string): Connector {
  const read = Exported.safeParse(module)
  if (read.success) return read.data.connector
  throw new Problem('setting_invalid', `connectors/${name}/connector.ts exports no connector`, {
    remedy:
      'it must export connector with name, title, settings and one of read, lookup, publisher, sinks and serve; see contract/connector.ts',
    cause: read.error,
  })
}

const Exported = z.looseObject({ connector: z.custom<Connector>(isConnector) })

/** What a connector may be for; one of them it has to be. */
const abilities = ['read', 'lookup', 'publisher', 'sinks', 'serve'] as const

function hasMethod(value: object, name: string): boolean {
  return name in value && typeof Reflect.get(value, name) === 'function'
}

function isConnector(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (!('name' in value && 'settings' in value)) return false
  const { name, settings } = value
  return (
    typeof name === 'string' &&
    abilities.some((ability) => hasMethod(value, ability)) &&
    settings instanceof z.ZodType
  )
}

function readConnectorSettings(
  connector: Connector,
  environment: Environment,
  section: Record<string, unknown>,
  warn: (text: string) => void,
) {
  if (!(connector.settings instanceof z.ZodObject))
    throw new Problem('internal', `the settings of connector ${connector.name} are no object`)
  const { given: others, warnings } = fromOtherNames(connector, environment)
  for (const warning of warnings) warn(`${connector.name}: ${warning}`)
  const given = { ...others, ...section }
  return readSettings(connector.settings, connectorPrefix(connector.name), environment, given)
}

function fromOtherNames(
  { environment: names = {} }: Connector,
  environment: Environment,
): OtherNames {
  if (typeof names === 'function') return names(environment)
  const found = Object.entries(names)
    .map(([key, name]) => [key, environment[name]] as const)
    .filter(([, value]) => value !== undefined && value !== '')
  return { given: Object.fromEntries(found), warnings: [] }
}
