/** Values at a dotted path of a record, whether its keys are nested, flat and dotted, or inside arrays. */

export type JsonObject = Readonly<Record<string, unknown>>

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * Every value at `path`: `source.ip` finds `{source:{ip}}`, `{"source.ip"}` and `{source:[{ip},{ip}]}`. Own keys
 * only, so that `__proto__` finds nothing that the record does not hold. An array at the end is one value.
 */
export function valuesAt(record: unknown, path: string): unknown[] {
  const found: unknown[] = []
  collect(record, path, found)
  return found
}

/** The first value that is text or a number, as text; undefined when empty. */
export function textAt(record: unknown, path: string): string | undefined {
  for (const value of valuesAt(record, path)) {
    if (typeof value === 'string' && value !== '') return value
    if (typeof value === 'number') return String(value)
  }
  return undefined
}

/** The first of the paths that holds text. */
export function firstText(record: unknown, paths: readonly string[]): string | undefined {
  for (const path of paths) {
    const text = textAt(record, path)
    if (text !== undefined) return text
  }
  return undefined
}

/** A finite number, also when it was written as text. */
export function numberAt(record: unknown, path: string): number | undefined {
  const text = textAt(record, path)?.trim()
  const number = text === undefined || text === '' ? Number.NaN : Number(text)
  return Number.isFinite(number) ? number : undefined
}

/** All texts at a path, whether it holds one, an array, or objects in an array. */
export function textsAt(record: unknown, path: string): string[] {
  return valuesAt(record, path)
    .flat()
    .filter((value): value is string => typeof value === 'string' && value !== '')
}

function collect(value: unknown, path: string, found: unknown[]): void {
  if (Array.isArray(value)) {
    for (const item of value) if (isObject(item)) collect(item, path, found)
    return
  }
  if (!isObject(value)) return
  if (Object.hasOwn(value, path)) found.push(value[path])
  for (let dot = path.indexOf('.'); dot > 0; dot = path.indexOf('.', dot + 1)) {
    const head = path.slice(0, dot)
    if (Object.hasOwn(value, head)) collect(value[head], path.slice(dot + 1), found)
  }
}
