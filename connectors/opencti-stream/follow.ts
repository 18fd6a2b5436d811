/** The live stream as a source: each event once it is whole, over restarts, broken connections and a trimmed history. */
import type { Held, Page, Source } from '#contract/connector.ts'
import { Problem } from '#contract/problem.ts'
import { printTime, readTime } from '#contract/time.ts'
import { type Client, openClient } from '../opencti/client/client.ts'
import { readPlatform } from '../opencti/client/platform-settings.ts'
import { connect } from './connect.ts'
import { eventNames, type StreamRecord } from './event.ts'
import { type Frame, openFrames } from './frames.ts'
import {
  isBefore,
  isEventId,
  isTrimmed,
  type Place,
  printPlace,
  readPlace,
  timeOf,
} from './place.ts'
import { reconcile } from './reconcile.ts'
import { readConnected, readReferer } from './said-by-server.ts'
import type { Settings } from './settings.ts'

const mostRecords = 500

/** A heartbeat is by the platform's clock, an event by its Redis: so much the place stays behind. */
const backOffMs = 60_000

/** How the place is moved while nothing happens. */
const idleMoveMs = 60_000

export function followStream(settings: Settings): Source {
  return {
    key: `opencti:${settings.stream ?? ''}`,
    follow: (cursor, stop, held) => follow(settings, cursor, stop, held),
  }
}

type Parts = { client: Client; stream: string; settings: Settings; held: Held; stop: AbortSignal }

async function* follow(
  settings: Settings,
  cursor: string | undefined,
  stop: AbortSignal,
  held: Held = nothingHeld,
): AsyncGenerator<Page, void> {
  const { client, stream } = open(settings)
  const parts = { client, stream, settings, held, stop }
  let place = cursor === undefined ? undefined : readPlace(cursor)
  try {
    // A connection ends by itself only when it has to begin at another place.
    while (!stop.aborted) place = yield* followOnce(parts, place)
  } catch (error) {
    if (!stop.aborted) throw error
  }
}

/** Throws `setting_invalid`. */
function open(settings: Settings): { client: Client; stream: string } {
  const platform = readPlatform('opencti-stream', settings)
  if (settings.stream !== undefined)
    return { client: openClient(platform), stream: settings.stream }
  throw new Problem('setting_invalid', 'opencti-stream has no stream', {
    remedy: 'set CORDON_OPENCTI_STREAM_STREAM to the id of a live stream (Data sharing)',
  })
}

/** Until the stream has to be begun at another place, which it returns. */
async function* followOnce(
  parts: Parts,
  from: Place | undefined,
): AsyncGenerator<Page, Place | undefined> {
  const { client, stream, settings, stop } = parts
  const connection = await connect(client, stream, from, settings.timeout, stop)
  const frames = openFrames(connection.body, { silenceMs: settings.silence })
  const way: Way = { place: from, stored: undefined, alive: from === undefined, skipped: false }
  try {
    while (!stop.aborted) {
      const taken = await frames.take(mostRecords)
      const records: unknown[] = []
      for (const frame of taken) {
        const elsewhere = frame.event === 'connected' ? begin(way, frame, settings) : undefined
        if (elsewhere) {
          if (from) yield* compare(parts, from, elsewhere)
          return elsewhere
        }
        const record = step(way, frame)
        if (record) records.push(record)
      }
      const page = pageOf(way, records)
      if (page) yield page
      if (way.skipped && way.place) {
        way.skipped = false
        yield* compare(parts, way.place, way.place)
      }
    }
    return way.place
  } finally {
    connection.close()
    await frames.close()
  }
}

type Way = {
  place: Place | undefined
  /** The place of the last page of this connection. */
  stored: Place | undefined
  /** It said more than that it is there: one that ends at once is not taken for well. */
  alive: boolean
  /** The server says that it did not replay what it was asked for. */
  skipped: boolean
}

/** Where to begin instead, when the history that is needed is gone or has to be replayed from the database first. */
function begin(way: Way, frame: Frame, settings: Settings): Place | undefined {
  const { firstEventId, lastEventId } = readConnected(frame)
  const last = isEventId(lastEventId) ? lastEventId : `${Date.now()}-0`
  const recover = printTime(timeOf(last))
  if (way.place)
    return isEventId(firstEventId) && isTrimmed(way.place, firstEventId)
      ? { version: 1, id: way.place.id, recover }
      : undefined
  if (settings.from !== 'now') {
    const since = settings.from === 'start' ? 0 : (readTime(settings.from) ?? 0)
    return { version: 1, id: `${since}-0`, recover }
  }
  way.place = { version: 1, id: last }
  return undefined
}

/** Moves the place, and gives what the frame is to be read as. */
function step(way: Way, frame: Frame): unknown {
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

/** Without records the place is still kept at the first word of a connection, and now and then. */
function pageOf(way: Way, records: unknown[]): Page | undefined {
  const { place, stored } = way
  if (!place) return undefined
  const moved =
    stored === undefined ? way.alive : timeOf(place.id) - timeOf(stored.id) >= idleMoveMs
  if (records.length === 0 && !moved) return undefined
  way.stored = place
  return { records, cursor: printPlace(place) }
}

/** What is held is compared with the platform; the place is moved when all of it was. */
async function* compare(parts: Parts, from: Place, then: Place): AsyncGenerator<Page, void> {
  const now = then.recover === undefined ? from.id : `${readTime(then.recover) ?? 0}-0`
  for await (const records of reconcile(parts.client, parts.held, now, parts.stop))
    yield { records, cursor: printPlace(from) }
  if (!parts.stop.aborted) yield { records: [], cursor: printPlace(then) }
}

async function* nothingHeld(): AsyncGenerator<readonly string[]> {}
