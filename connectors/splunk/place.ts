/** Up to which time a search was run, in a form that survives restarts. */
import { z } from 'zod'
import { Problem } from '#contract/problem.ts'
import { EpochMs } from '#contract/time.ts'

const Place = z.strictObject({ version: z.literal(1), at: EpochMs })
export type Place = z.output<typeof Place>

/** Throws a Problem for a cursor that this source did not write. */
export function readPlace(cursor: string): Place {
  try {
    return Place.parse(JSON.parse(cursor))
  } catch (error) {
    throw new Problem('invalid_input', 'the stored cursor of a Splunk search is damaged', {
      remedy: 'forget the cursor of this source; it then begins as if for the first time',
      cause: error,
    })
  }
}

export function printPlace({ at }: Place): string {
  return JSON.stringify({ version: 1, at })
}
