/**
 * Settings of one part: one strict zod object gives the parsed value, the defaults, the environment names, the
 * JSON Schema and the table in the README.
 */
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { nearest, Problem } from './problem.ts'

export type Environment = Readonly<Record<string, string | undefined>>

/** `CORDON_AGENT_` and `state_dir` give `CORDON_AGENT_STATE_DIR`. */
export function environmentName(prefix: string, key: string): string {
  return prefix + key.toUpperCase()
}

/**
 * What is given by file or flag, with the environment over it, checked. `<NAME>_FILE` names a file that holds the
 * value. Throws `setting_unknown` with the nearest known key, `setting_invalid` with what was expected.
 */
export function readSettings<Shape extends z.ZodRawShape>(
  schema: z.ZodObject<Shape>,
  prefix: string,
  environment: Environment,
  given: Readonly<Record<string, unknown>> = {},
): z.output<z.ZodObject<Shape>> {
  const known = Object.keys(schema.shape)
  refuseUnknown(known, Object.keys(given))
  const fromEnvironment = known.map(
    (key) => [key, environmentValue(environment, prefix, key)] as const,
  )
  const merged = {
    ...given,
    ...Object.fromEntries(fromEnvironment.filter(([, value]) => value !== undefined)),
  }
  const read = schema.safeParse(merged)
  if (read.success) return read.data
  const issue = read.error.issues[0]
  const key = String(issue?.path[0] ?? '')
  throw new Problem('setting_invalid', `setting ${key}: ${issue?.message}`, {
    remedy: `set ${environmentName(prefix, key)}, or ${key} in the settings file; README.md has the table`,
  })
}

/** Environment names with the prefix that belong to none of the parts: most likely a typing error. */
export function refuseUnknownEnvironment(
  environment: Environment,
  prefix: string,
  known: readonly string[],
): void {
  const all = known.flatMap((name) => [name, `${name}_FILE`])
  for (const name of Object.keys(environment))
    if (name.startsWith(prefix) && !all.includes(name)) throw unknown(name, all)
}

/** One row a setting, for the README. */
export function settingRows(schema: z.ZodObject, prefix: string): SettingRow[] {
  const shape = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' })
  return Object.entries(shape.properties ?? {}).map(([key, property]) => ({
    key,
    environment: environmentName(prefix, key),
    default: defaultText(property),
    description: typeof property === 'object' ? (property.description ?? '') : '',
  }))
}
export type SettingRow = { key: string; environment: string; default: string; description: string }

/** A setting that is a list: an array in a file, comma-separated text in the environment. */
export function listOf<Item extends z.ZodType>(item: Item) {
  return z.preprocess(
    (value) =>
      typeof value === 'string'
        ? value
            .split(',')
            .map((part) => part.trim())
            .filter(Boolean)
        : value,
    z.array(item),
  )
}

/** A switch: true or false in a file; true, false, 1, 0, yes, no, on, off in the environment. */
export const Switch = z.preprocess((value) => {
  if (typeof value !== 'string') return value
  if (/^(true|1|yes|on)$/i.test(value)) return true
  return /^(false|0|no|off)$/i.test(value) ? false : value
}, z.boolean())

function environmentValue(
  environment: Environment,
  prefix: string,
  key: string,
): string | undefined {
  const name = environmentName(prefix, key)
  const file = environment[`${name}_FILE`]
  if (file === undefined || file === '')
    return environment[name] === '' ? undefined : environment[name]
  try {
    return readFileSync(file, 'utf8').trim()
  } catch (error) {
    throw new Problem('setting_invalid', `cannot read ${file}, which ${name}_FILE names`, {
      remedy: 'check the path and that this user may read it',
      cause: error,
    })
  }
}

function refuseUnknown(known: readonly string[], given: readonly string[]): void {
  for (const key of given) if (!known.includes(key)) throw unknown(key, known)
}

function unknown(name: string, known: readonly string[]): Problem {
  const guess = nearest(name, known)
  return new Problem('setting_unknown', `there is no setting ${name}`, {
    remedy: guess ? `did you mean ${guess}?` : 'README.md has the table of settings',
  })
}

function defaultText(property: unknown): string {
  if (typeof property !== 'object' || property === null || !('default' in property)) return ''
  return typeof property.default === 'string' ? property.default : JSON.stringify(property.default)
}
