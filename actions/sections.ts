/** Parts of the service with settings of their own: sections of the settings file beside service, agent and connectors. */
import type { z } from 'zod'
import { type Environment, readSettings } from '#contract/settings.ts'
import { PlacesSettings } from './facts/places/settings.ts'
import { RetentionSettings, retentionPrefix } from './retention-settings.ts'
import { servicePrefix } from './settings.ts'

/** By name of the section: what it is called, its schema, and how its names in the environment begin. */
export const sections = {
  places: { title: 'Places', schema: PlacesSettings, prefix: `${servicePrefix}PLACES_` },
  retention: { title: 'Retention', schema: RetentionSettings, prefix: retentionPrefix },
} as const

export type SectionName = keyof typeof sections
export type Sections = {
  readonly [Name in SectionName]: z.output<(typeof sections)[Name]['schema']>
}
export type GivenSections = { readonly [Name in SectionName]?: Readonly<Record<string, unknown>> }

/** Each as the settings file gives it, with the environment over it. Throws `setting_*`. */
export function readSections(environment: Environment, given: GivenSections = {}): Sections {
  const { places, retention } = sections
  return {
    places: readSettings(places.schema, places.prefix, environment, given.places),
    retention: readSettings(retention.schema, retention.prefix, environment, given.retention),
  }
}

export const sectionNames = Object.keys(sections)
