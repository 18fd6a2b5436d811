/** A line of an export as it is read back: all that is wanted of it is its number in the journal. */
import { z } from 'zod'
import { Problem } from '#contract/problem.ts'

export type Format = 'ndjson' | 'csv'

const Document = z.looseObject({ event: z.looseObject({ sequence: z.int() }) })

/** Throws `untrusted_service` for a line that has none. */
export function seqOf(format: Format, line: string): number {
  try {
    return format === 'csv'
      ? z.coerce.number().int().parse(/^\d+/.exec(line)?.[0])
      : Document.parse(JSON.parse(line)).event.sequence
  } catch (error) {
    throw new Problem('untrusted_service', `this is no line of an export as ${format}`, {
      remedy: 'check CORDON_URL, and the file if one is gone on with',
      cause: error,
    })
  }
}
