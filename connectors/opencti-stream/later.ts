/** Indicators that do not hold yet: kept with the place, and asked for again when they begin to. */
import { Problem } from '#contract/problem.ts'
import { isOwn, refusal } from './admit.ts'
import { readEvent, type StreamEvent } from './event.ts'
import { readIntel } from './object.ts'
import type { Settings } from './settings.ts'

/** Epoch milliseconds of the beginning, by the id of the object. */
export type Later = Map<string, number>

/** They are written with every place. */
const mostLater = 1_000

/**
 * Keeps in mind what the record says will hold later, and forgets what it says otherwise of. Returns the problem when
 * there is no room for it.
 */
export function keepForLater(
  later: Later,
  record: unknown,
  settings: Settings,
  now: number,
): Problem | undefined {
  const event = understood(record)
  if (!event) return undefined
  const { id } = event.object
  later.delete(id)
  const begins = beginningOf(event, settings, now)
  if (begins === undefined) return undefined
  if (later.size >= mostLater)
    return new Problem('too_large', `${later.size} indicators wait for their valid_from already`, {
      remedy: `${id} begins to hold at ${new Date(begins).toISOString()}; change it on the platform then, or narrow the stream`,
    })
  later.set(id, begins)
  return undefined
}

/** Those that hold from now on. */
export function dueOf(later: Later, now: number, most: number): string[] {
  return [...later].flatMap(([id, at]) => (at <= now ? [id] : [])).slice(0, most)
}

/** Only what would make an alert then. */
function beginningOf(event: StreamEvent, settings: Settings, now: number): number | undefined {
  if (event.event === 'delete') return undefined
  const object = readIntel(event.object)
  const begins = object?.validFrom
  if (!object?.addresses || begins === undefined || begins <= now) return undefined
  const admitted = refusal(object, settings, begins) === undefined
  return admitted && !isOwn(event, object, settings) ? begins : undefined
}

/** What is not understood is said of by whoever reads it. */
function understood(record: unknown): StreamEvent | undefined {
  try {
    return record instanceof Problem ? undefined : readEvent(record)
  } catch {
    return undefined
  }
}
