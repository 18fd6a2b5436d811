/** Checks a value against a Kwalify schema, as far as the public schemas of XSOAR use the language: they refuse unknown keys. */
import { z } from 'zod'

const Rule = z.looseObject({
  type: z.enum(['map', 'seq', 'str', 'int', 'bool', 'any']).optional(),
  include: z.string().optional(),
  required: z.boolean().optional(),
  enum: z.array(z.string()).optional(),
  mapping: z.record(z.string(), z.unknown()).optional(),
  sequence: z.array(z.unknown()).optional(),
})
type Rule = z.infer<typeof Rule>

/** What is wrong, a sentence each, with where it stands. */
export function faults(value: unknown, schema: unknown): string[] {
  const parts = z.record(z.string(), z.unknown()).parse(schema)
  return check(value, Rule.parse(schema), parts, '')
}

type Parts = Readonly<Record<string, unknown>>

function check(value: unknown, rule: Rule, parts: Parts, path: string): string[] {
  if (rule.include !== undefined)
    return check(value, Rule.parse(parts[`schema;${rule.include}`]), parts, path)
  const { type = 'str' } = rule
  if (type === 'map') return checkMap(value, rule, parts, path)
  if (type === 'seq') return checkSequence(value, rule, parts, path)
  if (!isOf(value, type)) return [`${path} is no ${type}`]
  if (rule.enum && !rule.enum.some((one) => one === value)) return [`${path} is none of the words`]
  return []
}

function isOf(value: unknown, type: string): boolean {
  if (type === 'str') return typeof value === 'string'
  if (type === 'int') return Number.isInteger(value)
  return type === 'any' || typeof value === 'boolean'
}

function checkMap(value: unknown, rule: Rule, parts: Parts, path: string): string[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return [`${path} is no map`]
  const rules = Object.entries(rule.mapping ?? {}).map(
    ([key, inner]) => [key, Rule.parse(inner)] as const,
  )
  const known = new Map(rules)
  return [
    ...rules
      .filter(([key, inner]) => inner.required && !Object.hasOwn(value, key))
      .map(([key]) => `${path} lacks ${key}`),
    ...Object.entries(value).flatMap(([key, inner]) => {
      const found = known.get(key) ?? known.get('.*')
      return found
        ? check(inner, found, parts, `${path}/${key}`)
        : [`${path} has the unknown key ${key}`]
    }),
  ]
}

function checkSequence(value: unknown, rule: Rule, parts: Parts, path: string): string[] {
  if (!Array.isArray(value)) return [`${path} is no list`]
  const [inner] = rule.sequence ?? []
  return value.flatMap((one, index) => check(one, Rule.parse(inner), parts, `${path}/${index}`))
}
