/** How far a connection to the stream has come: what each frame does to the place, and what it is to be read as. */
import { Problem } from '#contract/problem.ts'
import { printTime, readTime } from '#contract/time.ts'
import { eventNames, type StreamRecord } from './event.ts'
import type { Frame } from './frames.ts'
import { isBefore, isEventId, isTrimmed, type Place, timeOf } from './place.ts'
import { readConnected, readReferer } from './said-by-server.ts'
import type { Settings } from './settings.ts'

/** A heartbeat is by the platform's clock, an event by its Redis: so much the place stays behind. */
const backOffMs = 60_000

export type Way = {
  place: Place | undefined
  /** The place of the last page of this connection. */
  stored: Place | undefined
  /** It said more than that it is there: one that ends at once is not taken for well. */
  alive: boolean
  /** The server says that it did not replay what it was asked for. */
  skipped: boolean
}

/** Where to begin instead, when the history that is needed is gone or has to be replayed from the database first. */
export function begin(way: Way, frame: Frame, settings: Settings): Place | undefined {
  const { firstEventId, lastEventId } = readConnected(frame)
  const last = isEventId(lastEventId) ? lastEventId : `${Date.now()}-0`
  const recover = printTime(timeOf(last))
  if (way.place)
    return isEventId(firstEventId) && isTrimmed(way.place, firstEventId)
      ? { version: 1, id: way.place.id, recover }
      : undefined
  const elsewhere = replayed(settings, timeOf(last))
  if (!elsewhere) way.place = { version: 1, id: last }
  return elsewhere
}

/** Moves the place, and gives what the frame is to be read as. */
export function step(way: Way, frame: Frame): unknown {
  const { event, id } = frame
  if (event !== 'connected') way.alive = true
  if (event === 'no-recover' && recovers(way.place)) way.skipped = true
  if (event === 'heartbeat' && isEventId(id)) move(way, `${Math.max(0, timeOf(id) - backOffMs)}-0`)
  const name = eventNames.find((one) => one === event)
  if (name === undefined || !isEventId(id)) return undefined
  const record = toRecord(id, name, frame.data)
  // What an event refers to is sent with it, under ids of its own times.
  if (record instanceof Problem || readReferer(record.data) !== 'init-dependencies') move(way, id)
  return record
}

function recovers(place: Place | undefined): boolean {
  return place?.recover !== undefined && timeOf(place.id) < (readTime(place.recover) ?? 0)
}

/** Never back: what is sent again is a repeat. */
function move(way: Way, id: string): void {
  if (way.place === undefined) way.place = { version: 1, id }
  else if (isBefore(way.place.id, id)) way.place = { ...way.place, id }
}

function toRecord(id: string, event: StreamRecord['event'], text: string): StreamRecord | Problem {
  try {
    return { id, event, data: JSON.parse(text) }
  } catch (error) {
    return new Problem('malformed_json', `event ${id} of the live stream is no JSON`, {
      remedy: 'see the event in the platform; what it says of an address is not known here',
      cause: error,
    })
  }
}

/** The place from which the platform gives again what it holds, until a time; undefined when the settings ask for nothing of it. */
export function replayed({ from }: Settings, until: number): Place | undefined {
  if (from === 'now') return undefined
  const since = from === 'start' ? 0 : (readTime(from) ?? 0)
  return { version: 1, id: `${since}-0`, recover: printTime(until) }
}
