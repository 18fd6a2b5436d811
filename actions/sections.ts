/** Parts of the service with settings of their own: sections of the settings file beside service, agent and connectors. */

import { printable } from '#contract/printable.ts'
import { nearest, Problem } from '#contract/problem.ts'
import { type Environment, readSettings } from '#contract/settings.ts'
import { ListSettings, ListsSettings } from './facts/lists/settings.ts'
import { PlacesSettings } from './facts/places/settings.ts'
import { RetentionSettings, retentionPrefix } from './retention-settings.ts'
import { servicePrefix } from './settings.ts'

/** By name of the section: what it is called, its schema, and how its names in the environment begin. */
export const sections = {
  places: { title: 'Places', schema: PlacesSettings, prefix: `${servicePrefix}PLACES_` },
  retention: { title: 'Retention', schema: RetentionSettings, prefix: retentionPrefix },
} as const

export type Sections = {
  readonly places: PlacesSettings
  readonly retention: RetentionSettings
  readonly lists: ListsSettings
}
/** As the settings file has them; `lists` is an array and has no names in the environment. */
export type GivenSections = {
  readonly places?: Readonly<Record<string, unknown>>
  readonly retention?: Readonly<Record<string, unknown>>
  readonly lists?: readonly unknown[]
}

/** Each as the settings file gives it, with the environment over it. Throws `setting_*`. */
export function readSections(environment: Environment, given: GivenSections = {}): Sections {
  const { places, retention } = sections
  return {
    places: readSettings(places.schema, places.prefix, environment, given.places),
    retention: readSettings(retention.schema, retention.prefix, environment, given.retention),
    lists: readLists(given.lists ?? []),
  }
}

export const sectionNames = [...Object.keys(sections), 'lists']

function readLists(given: readonly unknown[]): ListsSettings {
  const read = ListsSettings.safeParse(given)
  if (read.success) return read.data
  const issue = read.error.issues[0]
  const [index, ...path] = issue?.path ?? []
  const name = typeof index === 'number' ? nameAt(given, index) : ''
  const unknown = issue?.code === 'unrecognized_keys' ? issue.keys[0] : undefined
  const guess = unknown && nearest(unknown, Object.keys(ListSettings.shape))
  throw new Problem('setting_invalid', `lists${[name, ...path].join(' ')}: ${issue?.message}`, {
    remedy: guess ? `did you mean ${guess}?` : 'README.md has the table of settings of a list',
    cause: read.error,
  })
}

function nameAt(given: readonly unknown[], index: number): string {
  const entry = given[index]
  const name: unknown =
    typeof entry === 'object' && entry !== null ? Reflect.get(entry, 'name') : undefined
  return typeof name === 'string' ? ` ${printable(name)}` : ` entry ${index + 1}`
}
