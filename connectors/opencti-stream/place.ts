/** A place in the stream, as it is kept over restarts. */
import { z } from 'zod'
import { Problem } from '#contract/problem.ts'
import { readTime } from '#contract/time.ts'

const eventId = /^(\d{1,15})-(\d{1,15})$/

const Place = z.strictObject({
  version: z.literal(1),
  /** Of the last event that was taken. */
  id: z.string().regex(eventId),
  /** Until this time the platform's database is replayed, if the id is older. */
  recover: z.string().optional(),
  /** What begins to hold later, with the time in epoch milliseconds; see later.ts. */
  later: z.array(z.tuple([z.string(), z.int()])).optional(),
})
export type Place = z.output<typeof Place>

export function printPlace({ id, recover, later = [] }: Omit<Place, 'version'>): string {
  return JSON.stringify({
    version: 1,
    id,
    ...(recover !== undefined && { recover }),
    ...(later.length > 0 && { later }),
  })
}

/** Throws `unsupported`. */
export function readPlace(cursor: string): Place {
  try {
    return Place.parse(JSON.parse(cursor))
  } catch (error) {
    throw new Problem('unsupported', 'the place in the stream was kept by another version', {
      remedy: 'run the version that kept it, or remove it to begin anew as "from" says',
      cause: error,
    })
  }
}

export function isEventId(text: string | undefined): text is string {
  return text !== undefined && eventId.test(text)
}

/** Epoch milliseconds by the clock of whoever gave the id. */
export function timeOf(id: string): number {
  return Number(eventId.exec(id)?.[1] ?? 0)
}

export function isBefore(a: string, b: string): boolean {
  if (timeOf(a) !== timeOf(b)) return timeOf(a) < timeOf(b)
  return Number(eventId.exec(a)?.[2] ?? 0) < Number(eventId.exec(b)?.[2] ?? 0)
}

/** Whether events after the place are gone from the stream, whose first one is `first`. */
export function isTrimmed({ id, recover }: Place, first: string): boolean {
  const recovered = recover === undefined ? undefined : readTime(recover)
  return isBefore(id, first) && !(recovered !== undefined && recovered >= timeOf(first))
}
