/** Where a followed file was read up to, in a form that survives restarts, renames and truncation. */
import { createHash } from 'node:crypto'
import type { BigIntStats } from 'node:fs'
import { z } from 'zod'
import { Problem } from '#contract/problem.ts'

/** Bytes before the place that are remembered by their hash, so that another content is recognised. */
export const printLength = 256

const Place = z.strictObject({
  /** `device:inode`; absent while no file was seen: the next one is read from its start. */
  file: z.string().optional(),
  offset: z.int().nonnegative(),
  print: z.string(),
  skipping: z.boolean(),
})
export type Place = z.infer<typeof Place>

export function startOf(file: string | undefined): Place {
  return {
    ...(file === undefined ? {} : { file }),
    offset: 0,
    print: printOf(noBytes),
    skipping: false,
  }
}

/** Throws a Problem for a cursor that this source did not write. */
export function readPlace(cursor: string): Place {
  try {
    return Place.parse(JSON.parse(cursor))
  } catch (error) {
    throw new Problem('invalid_input', 'the stored cursor of a followed file is damaged', {
      remedy: 'forget the cursor of this source; it then begins as if for the first time',
      cause: error,
    })
  }
}

export function identity({ dev, ino }: Pick<BigIntStats, 'dev' | 'ino'>): string {
  return `${dev}:${ino}`
}

/** Of the last bytes before a place. */
export function printOf(before: Buffer): string {
  const last = before.subarray(-printLength)
  return createHash('sha256').update(last).digest('base64url').slice(0, 16)
}

const noBytes = Buffer.alloc(0)
