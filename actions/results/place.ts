/** How far a sink has taken each of the three streams of results, kept in the store so that a restart goes on there. */
import { z } from 'zod'
import { putSourceCursor, readSourceCursor } from '../store/cursors.ts'
import { newestJudged } from '../store/judged-alerts.ts'
import { newestSeq } from '../store/newest-seq.ts'
import { newestWord } from '../store/receipt-words.ts'
import type { Reader, Store, Writer } from '../store/store.ts'

const Place = z.strictObject({
  /** Lines of the journal up to here are taken or of no interest. */
  seq: z.int().nonnegative(),
  /** Words of nodes, likewise. */
  word: z.int().nonnegative(),
  /** Judged alerts, likewise. */
  alert: z.int().nonnegative(),
})
export type Place = z.infer<typeof Place>

/** The first start begins at the present end. A store that was restored is behind: what comes now is new. */
export async function openPlace(store: Store, sink: string, now: number): Promise<Place> {
  const end = await endOf(store.read)
  const kept = await readPlace(store.read, sink)
  const place = kept ? noneBeyond(kept, end) : end
  if (!kept) await store.write((tx) => putPlace(tx, sink, place, now))
  return place
}

export async function endOf(db: Reader): Promise<Place> {
  return {
    seq: await newestSeq(db),
    word: await newestWord(db),
    alert: await newestJudged(db),
  }
}

export async function putPlace(tx: Writer, sink: string, place: Place, now: number): Promise<void> {
  await putSourceCursor(tx, placeName(sink), JSON.stringify(place), now)
}

/** Under which the place of a sink is kept. */
export function placeName(sink: string): string {
  return `result/${sink}`
}

async function readPlace(db: Reader, sink: string): Promise<Place | undefined> {
  const text = await readSourceCursor(db, placeName(sink))
  return text === undefined ? undefined : Place.parse(JSON.parse(text))
}

function noneBeyond(kept: Place, end: Place): Place {
  return {
    seq: Math.min(kept.seq, end.seq),
    // Once all were taken the table is empty, and numbers are never given again.
    word: kept.word,
    alert: Math.min(kept.alert, end.alert),
  }
}
