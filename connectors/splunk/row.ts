/** Values of a row of results: one text, several, or several hidden in one text. */
import type { Address } from '#contract/address.ts'
import { pickPeer } from '../pick-address.ts'
import type { JsonObject } from '../read-path.ts'

/**
 * All values of a field. A field of a data model (`Authentication.src`) is found by its own name; `__mv_` beside a field
 * holds all its values where the field itself shows them joined.
 */
export function rowTexts(row: JsonObject, field: string): string[] {
  const key = keyOf(row, field)
  if (key === undefined) return []
  const several = row[`__mv_${key}`]
  if (typeof several === 'string' && several.startsWith('$')) return splitValues(several)
  return [row[key]]
    .flat()
    .filter((value) => typeof value === 'string' || typeof value === 'number')
    .flatMap((value) => String(value).split('\n'))
    .filter((value) => value !== '')
}

/** The first value of the first field that has one. */
export function rowText(row: JsonObject, ...fields: string[]): string | undefined {
  for (const field of fields) {
    const text = rowTexts(row, field)[0]
    if (text !== undefined) return text
  }
  return undefined
}

export function rowNumber(row: JsonObject, field: string): number | undefined {
  const number = Number(rowText(row, field)?.trim() || Number.NaN)
  return Number.isFinite(number) ? number : undefined
}

export function rowPeers(row: JsonObject, field: string): Address[] {
  return rowTexts(row, field)
    .map(pickPeer)
    .filter((peer) => peer !== undefined)
}

/** What of a row is the same when the search is run again. */
export function rowContent(row: JsonObject): [string, string[]][] {
  return Object.keys(row)
    .filter((key) => key !== '_serial' && !key.startsWith('__mv_'))
    .sort()
    .map((key) => [key, rowTexts(row, key)])
}

function keyOf(row: JsonObject, field: string): string | undefined {
  if (Object.hasOwn(row, field)) return field
  return Object.keys(row).find((key) => key.endsWith(`.${field}`) && /^[A-Z]\w*\.[^.]+$/.test(key))
}

/** `$one$;$two$`, a dollar inside doubled. */
function splitValues(text: string): string[] {
  return [...text.matchAll(/\$((?:[^$]|\$\$)*)\$(?:;|$)/g)]
    .map(([, value = '']) => value.replaceAll('$$', '$'))
    .filter((value) => value !== '')
}
