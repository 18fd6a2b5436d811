/** The vendor's client, as far as it is needed here: points in time and searches, each answer checked. */
import type { ClientOptions, estypes } from '@elastic/elasticsearch'
import { z } from 'zod'
import { isLoopback } from '#contract/address.ts'
import { Problem } from '#contract/problem.ts'
import { isObject } from '../read-path.ts'
import { pinnedAuthority } from './pinned-authority.ts'
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

/** The client is loaded here: a quarter of a second and 40 MB that only those pay who use it. */
export async function openElastic(settings: Settings, stop: AbortSignal): Promise<Elastic> {
  const options = await clientOptions(settings)
  const { Client } = await import('@elastic/elasticsearch')
  const client = new Client(options)
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

/** Throws `setting_invalid` for what would send the key in the clear, or is contradictory. */
async function clientOptions(settings: Settings): Promise<ClientOptions> {
  const { nodes, timeout } = settings
  for (const node of nodes) {
    const { protocol, hostname, username } = new URL(node)
    if (username !== '')
      throw invalid('an address of elastic holds a user', 'use user and password')
    if (protocol !== 'https:' && !isLoopback(hostname) && !settings.allow_http)
      throw invalid(
        'an address of elastic would send the key in the clear',
        'use https, or set CORDON_ELASTIC_ALLOW_HTTP=true where nobody else is on the wire',
      )
  }
  const auth = authOf(settings)
  const ca = await authorityOf(settings)
  return {
    nodes: [...nodes],
    auth,
    requestTimeout: timeout,
    // Another node is tried at once; everything else is tried again by who follows.
    maxRetries: nodes.length - 1,
    ...(ca === undefined ? {} : { tls: { ca } }),
  }
}

async function authorityOf(settings: Settings): Promise<string | undefined> {
  const { nodes, ca, ca_fingerprint: fingerprint, timeout } = settings
  const node = nodes.find((one) => one.startsWith('https:'))
  if (ca !== undefined || fingerprint === undefined || node === undefined) return ca
  return pinnedAuthority(node, fingerprint, timeout)
}

function authOf({ api_key, user, password }: Settings): NonNullable<ClientOptions['auth']> {
  if (api_key !== undefined && user === undefined) return { apiKey: api_key }
  if (api_key === undefined && user !== undefined && password !== undefined)
    return { username: user, password }
  throw invalid(
    'elastic needs an API key, or a user with a password',
    'set CORDON_ELASTIC_API_KEY_FILE, or CORDON_ELASTIC_USER and CORDON_ELASTIC_PASSWORD_FILE',
  )
}

function invalid(message: string, remedy: string): Problem {
  return new Problem('setting_invalid', message, { remedy })
}
