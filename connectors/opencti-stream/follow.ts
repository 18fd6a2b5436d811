/** The live stream as a source: each event once it is whole, over restarts, broken connections and a trimmed history. */
import type { Held, Page, Source } from '#contract/connector.ts'
import { Problem } from '#contract/problem.ts'
import { readTime } from '#contract/time.ts'
import { type Client, openClient } from '../opencti/client/client.ts'
import { readPlatform } from '../opencti/client/platform-settings.ts'
import { connect } from './connect.ts'
import { openFrames } from './frames.ts'
import { dueOf, keepForLater, type Later } from './later.ts'
import { type Place, printPlace, readPlace, timeOf } from './place.ts'
import { atOnce, lookUp, reconcile } from './reconcile.ts'
import type { Settings } from './settings.ts'
import { type Standing, standingOf } from './standing.ts'
import { begin, replayed, step, type Way } from './way.ts'

const mostRecords = 500

/** How the place is moved while nothing happens. */
const idleMoveMs = 60_000

export function followStream(settings: Settings, now: () => number = Date.now): Source {
  const standing = standingOf(settings)
  return {
    key: `opencti:${settings.stream ?? ''}`,
    follow: (cursor, stop, held = nothingHeld) => {
      standing.kept = cursor
      return keeping(standing, follow({ settings, standing, held, stop, now }, cursor))
    },
  }
}

/** A page that was taken is kept when the next one is asked for. */
async function* keeping(
  standing: Standing,
  pages: AsyncIterable<Page>,
): AsyncGenerator<Page, void> {
  for await (const page of pages) {
    yield page
    standing.kept = page.cursor
  }
}

type Given = {
  settings: Settings
  standing: Standing
  held: Held
  stop: AbortSignal
  now(): number
}
type Parts = Given & { client: Client; stream: string; later: Later }

async function* follow(given: Given, cursor: string | undefined): AsyncGenerator<Page, void> {
  let place = cursor === undefined ? undefined : readPlace(cursor)
  const parts = { ...given, ...open(given.settings), later: new Map(place?.later) }
  const { stop } = given
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
      const page = pageOf(parts, way, records)
      if (page) yield page
      if (!way.place) continue
      yield* askDue(parts, way.place)
      if (way.skipped) {
        way.skipped = false
        yield* compare(parts, way.place, way.place)
      }
      if (parts.standing.reset) return yield* beginAnew(parts, way.place)
    }
    return way.place
  } finally {
    connection.close()
    await frames.close()
  }
}

/** Without records the place is still kept at the first word of a connection, and now and then. */
function pageOf(parts: Parts, way: Way, records: unknown[]): Page | undefined {
  const { place, stored } = way
  if (!place) return undefined
  const moved =
    stored === undefined ? way.alive : timeOf(place.id) - timeOf(stored.id) >= idleMoveMs
  if (records.length === 0 && !moved) return undefined
  way.stored = place
  return pageWith(parts, records, place)
}

/** What of it holds only later is kept with the place, and what there is no room for is said. */
function pageWith({ later, settings, now }: Parts, records: unknown[], place: Place): Page {
  const problems = records.flatMap((record) => keepForLater(later, record, settings, now()) ?? [])
  return {
    records: [...records, ...problems],
    cursor: printPlace({ ...place, later: [...later] }),
  }
}

/** What holds from now on is given as it is now. */
async function* askDue(parts: Parts, place: Place): AsyncGenerator<Page, void> {
  const due = dueOf(parts.later, parts.now(), atOnce)
  if (due.length === 0) return
  const records = await lookUp(parts.client, due, place.id, parts.stop)
  for (const id of due) parts.later.delete(id)
  yield pageWith(parts, records, place)
}

/**
 * As at the very first start, but nothing after the place is left out: what was said up to then is given again where the
 * settings ask for it, and all that blocks stand on is compared with the platform.
 */
async function* beginAnew(parts: Parts, place: Place): AsyncGenerator<Page, Place> {
  const { settings, standing } = parts
  const anew = replayed(settings, timeOf(place.id)) ?? place
  yield* compare(parts, place, anew)
  if (!parts.stop.aborted) standing.reset = false
  return anew
}

/** What is held is compared with the platform; the place is moved when all of it was. */
async function* compare(parts: Parts, from: Place, then: Place): AsyncGenerator<Page, void> {
  const now = then.recover === undefined ? from.id : `${readTime(then.recover) ?? 0}-0`
  for await (const records of reconcile(parts.client, parts.held, now, parts.stop))
    yield pageWith(parts, records, from)
  if (!parts.stop.aborted) yield pageWith(parts, [], then)
}

async function* nothingHeld(): AsyncGenerator<readonly string[]> {}
