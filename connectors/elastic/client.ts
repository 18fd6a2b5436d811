/** The vendor's client, as far as it is needed here: points in time and searches, each answer checked. */
import type { estypes } from '@elastic/elasticsearch'
import { z } from 'zod'
import { Problem } from '#contract/problem.ts'
import { isObject } from '../read-path.ts'
import { connect } from './connect.ts'
import type { Query } from './query.ts'
import { refused } from './refused.ts'
import type { Settings } from './settings.ts'

export type Hit = {
  _id: string
  _source: object
  sort: estypes.SortResults
}
export type Found = { pit: string; hits: Hit[] }

export type Elastic = {
  openPit(alias: string): Promise<string>
  /** `expired` when the point in time is gone. Throws a Problem for everything else, also for an answer of some shards only. */
  search(pit: string, ask: Ask): Promise<Found | 'expired'>
  closePit(pit: string): Promise<void>
  close(): Promise<void>
}
export type Ask = {
  query: Query
  sort: estypes.Sort
  size: number
  after: estypes.SortResults | undefined
}

/** How long a point in time outlives the question about it: the page has to be stored meanwhile. */
const keepAlive = '2m'

const Answer = z.object({
  pit_id: z.string().min(1).optional(),
  timed_out: z.boolean(),
  _shards: z.object({ failed: z.number() }),
  _clusters: z
    .object({
      skipped: z.number().default(0),
      partial: z.number().default(0),
      failed: z.number().default(0),
    })
    .optional(),
  hits: z.object({ hits: z.array(z.custom<Hit>(isHit)) }),
})

export async function openElastic(settings: Settings, stop: AbortSignal): Promise<Elastic> {
  const client = await connect(settings)
  const limits = { signal: stop, requestTimeout: settings.timeout }
  return {
    openPit: async (index) => {
      const { id } = await heard(
        index,
        client.openPointInTime({ index, keep_alive: keepAlive }, limits),
      )
      return id
    },
    search: async (id, { query, sort, size, after }) => {
      const request = {
        pit: { id, keep_alive: keepAlive },
        query,
        sort,
        size,
        track_total_hits: false,
        allow_partial_search_results: false,
        ...(after === undefined ? {} : { search_after: after }),
      }
      const answer = await heard('the alerts', client.search(request, limits)).catch(unlessExpired)
      return answer === 'expired' ? answer : readAnswer(answer, id)
    },
    closePit: async (id) => {
      // It runs out by itself, and whatever keeps it from being closed is met by the next question.
      await client.closePointInTime({ id }, { requestTimeout: settings.timeout }).catch(() => {})
    },
    close: () => client.close(),
  }
}

async function heard<T>(what: string, answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (error) {
    throw refused(what, error)
  }
}

function unlessExpired(problem: unknown): 'expired' {
  if (problem instanceof Problem && problem.code === 'conflict') return 'expired'
  throw problem
}

function readAnswer(answer: unknown, asked: string): Found {
  const read = Answer.safeParse(answer)
  if (!read.success)
    throw new Problem('invalid_input', 'elasticsearch answered a search in no known shape', {
      remedy: 'check nodes, and what stands between here and the cluster',
      cause: read.error,
    })
  const { timed_out, _shards, _clusters, pit_id, hits } = read.data
  const apart = (_clusters?.skipped ?? 0) + (_clusters?.partial ?? 0) + (_clusters?.failed ?? 0)
  if (timed_out || _shards.failed > 0 || apart > 0)
    throw new Problem('service_unreachable', partly(timed_out, _shards.failed), {
      remedy: 'see the health of the cluster; alerts are taken up again where they were left',
    })
  return { pit: pit_id ?? asked, hits: hits.hits }
}

function partly(timedOut: boolean, shards: number): string {
  if (timedOut) return 'elasticsearch ran out of time and answered in part'
  return shards > 0
    ? `elasticsearch answered without ${shards} of its shards`
    : 'elasticsearch answered without a remote cluster'
}

function isHit(hit: unknown): boolean {
  return (
    isObject(hit) && typeof hit._id === 'string' && isObject(hit._source) && Array.isArray(hit.sort)
  )
}
