/** Fields of a document, flat or nested, each a single value or an array of them. */
import type { Address } from '#contract/address.ts'
import { pickPeer } from '../pick-address.ts'
import type { JsonObject } from '../read-path.ts'
import { isObject, valuesAt } from '../read-path.ts'

/** All texts and numbers of a field, as text. */
export function fieldTexts(document: JsonObject, path: string): string[] {
  return valuesAt(document, path)
    .flat(2)
    .filter((value) => (typeof value === 'string' && value !== '') || typeof value === 'number')
    .map(String)
}

/** The first value of the first path that has one. */
export function fieldText(document: JsonObject, ...paths: string[]): string | undefined {
  for (const path of paths) {
    const text = fieldTexts(document, path)[0]
    if (text !== undefined) return text
  }
  return undefined
}

export function fieldNumber(document: JsonObject, path: string): number | undefined {
  const number = Number(fieldText(document, path)?.trim() || Number.NaN)
  return Number.isFinite(number) ? number : undefined
}

export function fieldPeers(document: JsonObject, path: string): Address[] {
  return fieldTexts(document, path)
    .map(pickPeer)
    .filter((peer) => peer !== undefined)
}

export function fieldObjects(document: JsonObject, path: string): JsonObject[] {
  return valuesAt(document, path).flat(2).filter(isObject)
}

/** A field of the alert itself; before 8.0 they stood under `signal`. */
export function alertField(name: string): [string, string] {
  return [`kibana.alert.${name}`, `signal.${name}`]
}
