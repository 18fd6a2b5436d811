/** The alerts of one space as a source: asked for again and again, each once, also those that were written late. */
import type { estypes } from '@elastic/elasticsearch'
import type { Page, Source } from '#contract/connector.ts'
import { Problem } from '#contract/problem.ts'
import type { Clock } from '../clock.ts'
import { firstStart } from '../first-start.ts'
import { type Elastic, type Hit, openElastic } from './client.ts'
import { type Place, printPlace, readPlace } from './place.ts'
import { aliasOf, lateQuery, newerQuery, order, type Query } from './query.ts'
import type { Settings } from './settings.ts'

/** So many ids are kept, the oldest go first: what is met again after that, or after a restart, is a repeat by its id. */
const mostSeen = 50_000

/**
 * A look takes what is newer than the newest alert less the overlap. At times another look takes what is older but was
 * written meanwhile. What was written still later into the past than since the last such look is not found.
 */
export function followAlerts(settings: Settings, space: string, clock: Clock): Source {
  return {
    key: `space:${space}`,
    follow: (cursor, stop) => follow({ settings, alias: aliasOf(space), clock, stop }, cursor),
  }
}

type Following = { settings: Settings; alias: string; clock: Clock; stop: AbortSignal }
type Look = Following & { elastic: Elastic; seen: Set<string> }

async function* follow(
  following: Following,
  cursor: string | undefined,
): AsyncGenerator<Page, void> {
  const { settings, clock, stop } = following
  const place = cursor === undefined ? begin(settings, clock.now()) : readPlace(cursor)
  const elastic = await openElastic(settings, stop)
  const look = { ...following, elastic, seen: new Set<string>() }
  // The first look is told of also when it finds nothing: the cluster answers.
  let told = ''
  try {
    while (!stop.aborted) {
      for await (const records of lookOnce(look, place)) {
        const cursor = printPlace(place)
        if (records.length > 0 || cursor !== told) yield { records, cursor }
        told = cursor
      }
      await clock.pause(settings.every, stop)
    }
  } catch (error) {
    if (!stop.aborted) throw error
  } finally {
    await elastic.close()
  }
}

function begin({ from }: Settings, now: number): Place {
  return { version: 1, at: firstStart(from, now), swept: now }
}

/** Moves the place as it goes: with each page to where it leads. The last page may be empty. */
async function* lookOnce(look: Look, place: Place): AsyncGenerator<Hit[], void> {
  const { settings, clock } = look
  const begun = clock.now()
  const from = Math.max(0, place.at - settings.overlap)
  for await (const hits of hitsOf(look, (since) => newerQuery(since, settings), from)) {
    // A time ahead of our clock would hide all that is written until then.
    place.at = Math.max(place.at, Math.min(timeOf(hits.at(-1)) ?? 0, clock.now()))
    yield unseen(look.seen, hits)
  }
  if (begun - place.swept >= settings.sweep) {
    const written = { since: Math.max(0, place.swept - settings.overlap), olderThan: from }
    for await (const hits of hitsOf(look, (since) => lateQuery(written, since, settings), 0))
      yield unseen(look.seen, hits)
    place.swept = begun
  }
  yield []
}

/** All hits, a page at a time, in one point in time; when that runs out, in another one from the last hit's time on. */
async function* hitsOf(
  { elastic, alias, settings }: Look,
  queryFrom: (since: number) => Query,
  from: number,
): AsyncGenerator<Hit[], void> {
  let pit = await elastic.openPit(alias)
  let [after, since, fresh]: [estypes.SortResults | undefined, number, boolean] = [
    undefined,
    from,
    true,
  ]
  try {
    for (;;) {
      const ask = { query: queryFrom(since), sort: order, size: settings.page, after }
      const found = await elastic.search(pit, ask)
      if (found === 'expired') {
        if (fresh) throw expiredAtOnce()
        pit = await elastic.openPit(alias)
        ;[after, fresh] = [undefined, true]
        continue
      }
      pit = found.pit
      const last = found.hits.at(-1)
      if (last === undefined) return
      if (String(last.sort) === String(after)) throw standsStill()
      ;[after, since, fresh] = [last.sort, Math.max(since, timeOf(last) ?? since), false]
      yield found.hits
    }
  } finally {
    await elastic.closePit(pit)
  }
}

function unseen(seen: Set<string>, hits: readonly Hit[]): Hit[] {
  const fresh = hits.filter(({ _id }) => !seen.has(_id))
  for (const { _id } of hits) {
    seen.delete(_id)
    seen.add(_id)
  }
  for (const id of seen) {
    if (seen.size <= mostSeen) break
    seen.delete(id)
  }
  return fresh
}

function timeOf(hit: Hit | undefined): number | undefined {
  const time = hit?.sort[0]
  return typeof time === 'number' ? time : undefined
}

function expiredAtOnce(): Problem {
  return new Problem('service_unreachable', 'elasticsearch forgets points in time at once', {
    remedy: 'see the health of the cluster; a node may be restarting',
  })
}

function standsStill(): Problem {
  return new Problem('invalid_input', 'elasticsearch answers with the same page again', {
    remedy: 'check what stands between here and the cluster: it may answer from a cache',
  })
}
