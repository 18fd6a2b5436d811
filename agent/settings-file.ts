/** The section `agent` of the YAML file that CORDON_SETTINGS names; service and agent of one machine may share it. */
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { Problem } from '#contract/problem.ts'
import { type Environment, readSettings } from '#contract/settings.ts'

const sections = ['service', 'agent', 'connectors']
const Named = z.strictObject({ settings: z.string().optional() })
const Section = z.record(z.string(), z.unknown())

/** Empty when no file is named. Throws `setting_unknown`, `setting_invalid`. What the section says is not judged here. */
export async function readAgentSection(environment: Environment): Promise<Record<string, unknown>> {
  const path = readSettings(Named, 'CORDON_', environment).settings
  if (path === undefined) return {}
  const file = await readYaml(path)
  const unknown = Object.keys(file).find((name) => !sections.includes(name))
  if (unknown !== undefined)
    throw new Problem('setting_unknown', `${path} has a section ${unknown}, which there is not`, {
      remedy: 'the sections are service, agent and connectors',
    })
  const read = Section.safeParse(file.agent ?? {})
  if (read.success) return read.data
  throw new Problem('setting_invalid', `${path}: the section agent holds no keys and values`, {
    remedy: 'README.md has the table of settings',
    cause: read.error,
  })
}

/** The reader is loaded only where there is something to read. */
async function readYaml(path: string): Promise<Record<string, unknown>> {
  try {
    const { parse } = await import('yaml')
    return Section.parse(parse(readFileSync(path, 'utf8')) ?? {})
  } catch (error) {
    throw new Problem('setting_invalid', `the settings file ${path} cannot be read as YAML`, {
      remedy: 'check CORDON_SETTINGS, that this user may read the file, and its indentation',
      cause: error,
    })
  }
}
