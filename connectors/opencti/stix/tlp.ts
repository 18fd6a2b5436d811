/** The traffic light protocol: which marking is stricter, and the fixed objects that everybody uses for it. */
import type { StixObject } from './stix-object.ts'

/** From open to strict; WHITE is the older name of CLEAR. */
export const levels = [
  'TLP:CLEAR',
  'TLP:GREEN',
  'TLP:AMBER',
  'TLP:AMBER+STRICT',
  'TLP:RED',
] as const
export type Tlp = (typeof levels)[number]

const ids: Readonly<Record<Tlp, string>> = {
  'TLP:CLEAR': 'marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9',
  'TLP:GREEN': 'marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da',
  'TLP:AMBER': 'marking-definition--f88d31f6-486f-44da-b317-01333bde0b82',
  'TLP:AMBER+STRICT': 'marking-definition--826578e1-40ad-459f-bc73-ede076f81f37',
  'TLP:RED': 'marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed',
}

/** Undefined for what is no level: nobody guesses how strict an unknown word is. */
export function readTlp(text: string): Tlp | undefined {
  const word = text.trim().toUpperCase()
  return word === 'TLP:WHITE' ? 'TLP:CLEAR' : levels.find((level) => level === word)
}

export function tlpOf(markingId: string): Tlp | undefined {
  return levels.find((level) => ids[level] === markingId)
}

export function tlpId(level: Tlp): string {
  return ids[level]
}

export function isStricter(level: Tlp, than: Tlp): boolean {
  return levels.indexOf(level) > levels.indexOf(than)
}

/** The object as it is defined; for a bundle, since a reference to what is not in it may be dropped on the way. */
export function tlpObject(level: Tlp): StixObject {
  const common = {
    type: 'marking-definition',
    spec_version: '2.1',
    id: ids[level],
    created: '2017-01-20T00:00:00.000Z',
  }
  if (level === 'TLP:AMBER+STRICT')
    return {
      ...common,
      definition_type: 'statement',
      definition: { statement: 'custom' },
      x_opencti_definition_type: 'TLP',
      x_opencti_definition: level,
    }
  const name = level === 'TLP:CLEAR' ? 'TLP:WHITE' : level
  const tlp = name.slice('TLP:'.length).toLowerCase()
  return { ...common, definition_type: 'tlp', name, definition: { tlp } }
}
