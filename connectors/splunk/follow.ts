/** A search as a source: run again and again, each time over what came since. */
import type { Page, Source } from '#contract/connector.ts'
import type { Clock } from '../clock.ts'
import { firstStart } from '../first-start.ts'
import { openSplunk } from './export.ts'
import { type Place, printPlace, readPlace } from './place.ts'
import type { Search } from './search.ts'
import type { Settings } from './settings.ts'

const mostRecords = 500

/**
 * The place moves when a run is complete, to the end of its window. A run that broke off is done again: what was indexed
 * is recognised by its id, what was counted may come out different and is then another alert.
 */
export function followSearch(settings: Settings, search: Search, clock: Clock): Source {
  return {
    key: search.key,
    follow: (cursor, stop) => follow({ settings, search, clock, stop }, cursor),
  }
}

type Following = { settings: Settings; search: Search; clock: Clock; stop: AbortSignal }

async function* follow(
  following: Following,
  cursor: string | undefined,
): AsyncGenerator<Page, void> {
  const { settings, clock, stop } = following
  const place = cursor === undefined ? begin(settings, clock.now()) : readPlace(cursor)
  try {
    while (!stop.aborted) {
      const until = clock.now()
      while (place.at < until && !stop.aborted)
        yield* runOnce(following, place, Math.min(until, place.at + settings.longest_window))
      await clock.pause(settings.every, stop)
    }
  } catch (error) {
    if (!stop.aborted) throw error
  }
}

/** One run back, so that what is wrong with the search shows at once. */
function begin({ from, every }: Settings, now: number): Place {
  return { version: 1, at: firstStart(from, now - every) }
}

async function* runOnce(
  following: Following,
  place: Place,
  until: number,
): AsyncGenerator<Page, void> {
  const { settings, search, clock, stop } = following
  const earliest = Math.max(0, place.at - settings.overlap)
  let records: object[] = []
  const rows = openSplunk(settings, clock)({ spl: search.spl, earliest, latest: until }, stop)
  try {
    for await (const result of rows) {
      records.push({ search_name: search.rule, earliest, result })
      if (records.length < mostRecords) continue
      yield { records, cursor: printPlace(place) }
      records = []
    }
  } catch (error) {
    // What did come is told now; it comes again with the rest.
    if (records.length > 0 && !stop.aborted) yield { records, cursor: printPlace(place) }
    throw error
  }
  place.at = until
  yield { records, cursor: printPlace(place) }
}
