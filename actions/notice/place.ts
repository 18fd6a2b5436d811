/** How far a channel has told the journal, and what it is just trying: kept in the store, so that a restart goes on with it. */
import { z } from 'zod'
import { putSourceCursor, readSourceCursor } from '../store/cursors.ts'
import { newestSeq } from '../store/newest-seq.ts'
import type { Reader, Store, Writer } from '../store/store.ts'

const Place = z.strictObject({
  /** All lines up to here were told, given up, or of no interest. */
  seq: z.int().nonnegative(),
  /** The lines after `seq` up to `upto` are one message, which failed `tries` times. */
  held: z
    .strictObject({
      upto: z.int().nonnegative(),
      tries: z.int().nonnegative(),
      since: z.int(),
      next: z.int(),
    })
    .optional(),
})
export type Place = z.infer<typeof Place>
export type Held = NonNullable<Place['held']>

/** The first start begins at the present end: nobody is told of what was long ago. */
export async function openPlace(store: Store, channel: string, now: number): Promise<Place> {
  const end = await newestSeq(store.read)
  const kept = await readPlace(store.read, channel)
  // A store that was restored is behind: what comes now is news.
  if (kept && kept.seq <= end) return kept
  const place = { seq: end }
  await store.write((tx) => putPlace(tx, channel, place, now))
  return place
}

export async function putPlace(
  tx: Writer,
  channel: string,
  place: Place,
  now: number,
): Promise<void> {
  await putSourceCursor(tx, placeName(channel), JSON.stringify(place), now)
}

async function readPlace(db: Reader, channel: string): Promise<Place | undefined> {
  const text = await readSourceCursor(db, placeName(channel))
  return text === undefined ? undefined : Place.parse(JSON.parse(text))
}

/** Under which the place of a channel is kept. */
export function placeName(channel: string): string {
  return `notice/${channel}`
}
