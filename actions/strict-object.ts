/** An object of a file that people write: it takes no unknown keys, and its refusal names the nearest known one. */
import { z } from 'zod'
import { nearest } from '#contract/problem.ts'

export function strict<Shape extends z.ZodRawShape>(shape: Shape) {
  const known = Object.keys(shape)
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? issue.keys.map((key) => unknownKey(key, known)).join(', ')
        : undefined,
  })
}

function unknownKey(key: string, known: readonly string[]): string {
  const guess = nearest(key, known)
  const hint = guess === undefined ? `known are ${known.join(', ')}` : `did you mean "${guess}"?`
  return `unknown key "${key}"; ${hint}`
}
