/** What a service is started with: options over environment over the settings file, and nothing unknown in any. */
import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { z } from 'zod'
import { Problem } from '#contract/problem.ts'
import {
  type Environment,
  environmentName,
  readSettings,
  refuseUnknownEnvironment,
} from '#contract/settings.ts'
import { connectorNames, connectorPrefix, importConnector } from '../load-connectors.ts'
import { readSections, type Sections, sectionNames, sections } from '../sections.ts'
import { ServiceSettings, servicePrefix } from '../settings.ts'
import { ClientSettings, clientPrefix } from './client.ts'
import type { Asked } from './command.ts'

export type Startup = {
  service: ServiceSettings
  sections: Sections
  connectorSections: Record<string, Record<string, unknown>>
  /** Still to be read, by the schema of the agent. */
  agentSection: Record<string, unknown>
  environment: Environment
}

/** Names of the agent's own settings begin with this; who starts no agent does not judge them. */
export const agentPrefix = `${servicePrefix}AGENT_`

/** Options that are settings under the same name. */
const settingOptions = ['listen', 'data-dir', 'policy', 'settings'] as const

/** Throws `setting_unknown`, `setting_invalid`. */
export async function readStartup(asked: Asked, environment: Environment): Promise<Startup> {
  const merged = { ...environment, ...fromOptions(asked) }
  await refuseUnknownNames(merged)
  const path = readSettings(ServiceSettings, servicePrefix, merged).settings
  const file = path === undefined ? SettingsFile.parse({}) : readSettingsFile(path)
  return {
    service: readSettings(ServiceSettings, servicePrefix, merged, file.service),
    sections: readSections(merged, file),
    connectorSections: file.connectors,
    agentSection: file.agent,
    environment: merged,
  }
}

const Section = z
  .record(z.string(), z.unknown())
  .nullish()
  .transform((section) => section ?? {})
const SettingsFile = z.strictObject({
  service: Section,
  agent: Section,
  places: Section,
  retention: Section,
  lists: z
    .array(z.unknown())
    .nullish()
    .transform((lists) => lists ?? []),
  connectors: z
    .record(z.string(), Section)
    .nullish()
    .transform((sections) => sections ?? {}),
})

function readSettingsFile(path: string): z.infer<typeof SettingsFile> {
  const sections = readYaml(path)
  const unknown = Object.keys(sections).find((key) => !(key in SettingsFile.shape))
  if (unknown !== undefined)
    throw new Problem('setting_unknown', `${path} has a section ${unknown}, which there is not`, {
      remedy: `the sections are service, agent, connectors, ${sectionNames.join(', ')}`,
    })
  const read = SettingsFile.safeParse(sections)
  if (read.success) return read.data
  const issue = read.error.issues[0]
  throw new Problem('setting_invalid', `${path}: ${issue?.path.join('.')} ${issue?.message}`, {
    remedy: 'each section holds keys and values; README.md has the table of settings',
    cause: read.error,
  })
}

function readYaml(path: string): Record<string, unknown> {
  try {
    const value: unknown = parse(readFileSync(path, 'utf8')) ?? {}
    return z.record(z.string(), z.unknown()).parse(value)
  } catch (error) {
    throw new Problem('setting_invalid', `the settings file ${path} cannot be read as YAML`, {
      remedy: 'check CORDON_SETTINGS, that this user may read the file, and its indentation',
      cause: error,
    })
  }
}

function fromOptions(asked: Asked): Record<string, string> {
  const given = settingOptions.map((name) => {
    const value = asked.option(name)
    return value === undefined
      ? []
      : [[environmentName(servicePrefix, name.replaceAll('-', '_')), value] as const]
  })
  return Object.fromEntries(given.flat())
}

/** A connector is loaded only when a name in the environment could be one of its settings. */
async function refuseUnknownNames(environment: Environment): Promise<void> {
  const ours = Object.entries(environment).filter(([name]) => !name.startsWith(agentPrefix))
  const known = [
    ...namesOf(ServiceSettings, servicePrefix),
    ...namesOf(ClientSettings, clientPrefix),
    ...Object.values(sections).flatMap(({ schema, prefix }) => namesOf(schema, prefix)),
  ]
  for (const name of connectorNames()) {
    const prefix = connectorPrefix(name)
    if (!ours.some(([key]) => key.startsWith(prefix))) continue
    const { settings } = await importConnector(name)
    if (settings instanceof z.ZodObject) known.push(...namesOf(settings, prefix))
  }
  refuseUnknownEnvironment(Object.fromEntries(ours), servicePrefix, known)
}

function namesOf(schema: z.ZodObject, prefix: string): string[] {
  return Object.keys(schema.shape).map((key) => environmentName(prefix, key))
}
