/**
 * An Elasticsearch for tests, as far as alerts are asked of it and results are written to it: points in time, searches in
 * them, bulk requests, the product header. What writes stands in elastic-writes.ts.
 *
 * Imitated: API key and password, content types of its own version and the one before (of 8 also that it knows no
 * `require_data_stream`, as before 8.13), one alias a space, a point in time that shows what was there when it was opened
 * and has a new name with each answer, `search_after` in the order asked for with `_shard_doc` behind it, the queries
 * `bool`, `range`, `terms` and `exists` over flat and nested fields, refusal of every other body, TLS.
 * Not imitated: mappings, analysis, scores, shards and replicas, refresh, rights by index, remote clusters, limits of
 * memory and of open points in time.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { z } from 'zod'
import { valuesAt } from '../../connectors/read-path.ts'
import { bodyOf, openWeb, type Tls, type WebServer } from '../web-server.ts'
import { answerWrite, type Written, written } from './elastic-writes.ts'

export type Stored = { _index: string; _id: string; _source: Record<string, unknown> }
export type Fault = {
  /** Tried on `METHOD /path`. */
  on: RegExp
  answer(response: ServerResponse, world: ElasticWorld): void
}
export type ElasticWorld = {
  alerts: Stored[]
  /** By the alias without its `.alerts-security.alerts-`. */
  spaces: string[]
  authorization: string
  /** Each is used once, by the first request that it is for. */
  faults: Fault[]
  /** As faults, but the request is done and only its answer never comes. */
  lost: RegExp[]
  /** What was asked, in order, as `METHOD /path`. */
  asked: string[]
  /** What is open, with what it shows. */
  pits: Map<string, Stored[]>
  written: Written
  /** Whose words, and those of the one before, are understood. */
  major: number
}

export function elasticWorld(more: Partial<ElasticWorld> = {}): ElasticWorld {
  return {
    alerts: [],
    spaces: ['default'],
    authorization: 'ApiKey a2V5OnNlY3JldA==',
    faults: [],
    lost: [],
    asked: [],
    pits: new Map(),
    written: written(),
    major: 9,
    ...more,
  }
}

/** The key that a world asks for unless told otherwise. */
export const elasticKey = 'a2V5OnNlY3JldA=='

export function startElastic(world: ElasticWorld, tls?: Tls): Promise<WebServer> {
  return openWeb((request, response) => answer(world, request, response), tls)
}

/** An answer with the header without which the client believes nobody. */
export function say(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, {
    'x-elastic-product': 'Elasticsearch',
    'content-type': 'application/vnd.elasticsearch+json;compatible-with=9',
  })
  response.end(JSON.stringify(body))
}

export function sayError(response: ServerResponse, status: number, type: string): void {
  const cause = { type, reason: `${type} of the double` }
  say(response, status, { error: { root_cause: [cause], ...cause }, status })
}

async function answer(
  world: ElasticWorld,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { pathname, searchParams } = new URL(request.url ?? '', 'http://double')
  const line = `${request.method} ${decodeURIComponent(pathname)}`
  const text = await bodyOf(request)
  world.asked.push(line)
  const fault = world.faults.findIndex(({ on }) => on.test(line))
  if (fault >= 0) return world.faults.splice(fault, 1)[0]?.answer(response, world)
  loseAnswer(world.lost, line, response)
  if (request.headers.authorization !== world.authorization)
    return sayError(response, 401, 'security_exception')
  const words = /; compatible-with=(\d+)/.exec(request.headers.accept ?? '')?.[1]
  if (words === undefined || ![world.major, world.major - 1].includes(Number(words)))
    return sayError(response, 400, 'media_type_header_exception')
  const kind = `application/vnd.elasticsearch+json; compatible-with=${words}`
  const lines = line.endsWith('/_bulk')
  const sent = lines ? kind.replace('+json', '+x-ndjson') : kind
  if (text !== '' && request.headers['content-type'] !== sent)
    return sayError(response, 415, 'media_type_exception')
  const open = /^POST \/\.alerts-security\.alerts-([\w-]+)\/_pit$/.exec(line)
  if (open) return openPit(world, response, open[1] ?? '', searchParams)
  if (line === 'POST /_search') return search(world, response, text)
  if (line === 'DELETE /_pit') return closePit(world, response, text)
  if (answerWrite({ world, line, text, response, query: searchParams })) return
  sayError(response, 400, 'no_such_request_exception')
}

function openPit(
  world: ElasticWorld,
  response: ServerResponse,
  space: string,
  parameters: URLSearchParams,
) {
  if (!/^\d+[ms]$/.test(parameters.get('keep_alive') ?? ''))
    return sayError(response, 400, 'action_request_validation_exception')
  if (!world.spaces.includes(space)) return sayError(response, 404, 'index_not_found_exception')
  const own = new RegExp(`\\.alerts-security\\.alerts-${space}(-\\d+)?$`)
  const shown = world.alerts.filter(({ _index }) => own.test(_index)).sort(byOrder)
  say(response, 200, { id: keep(world, shown), _shards: { total: 1, successful: 1, failed: 0 } })
}

let named = 0
function keep(world: ElasticWorld, shown: Stored[]): string {
  const id = `pit-${++named}`
  world.pits.set(id, shown)
  return id
}

function closePit(world: ElasticWorld, response: ServerResponse, text: string): void {
  const { id } = z.strictObject({ id: z.string() }).parse(JSON.parse(text))
  const succeeded = world.pits.delete(id)
  say(response, succeeded ? 200 : 404, { succeeded, num_freed: succeeded ? 1 : 0 })
}

const Body = z.strictObject({
  pit: z.strictObject({ id: z.string(), keep_alive: z.string() }),
  query: z.record(z.string(), z.unknown()),
  sort: z.tuple([
    z.strictObject({ '@timestamp': z.literal('asc') }),
    z.strictObject({ 'kibana.alert.uuid': z.literal('asc') }),
  ]),
  size: z.int().min(1).max(10_000),
  track_total_hits: z.literal(false),
  search_after: z.tuple([z.number(), z.string(), z.number()]).optional(),
})

function search(world: ElasticWorld, response: ServerResponse, text: string) {
  const read = Body.safeParse(JSON.parse(text))
  if (!read.success) return sayError(response, 400, 'parsing_exception')
  const { pit, query, size, search_after: after } = read.data
  const shown = world.pits.get(pit.id)
  if (!shown) return sayError(response, 404, 'search_context_missing_exception')
  const found: object[] = []
  for (let index = after === undefined ? 0 : after[2] + 1; index < shown.length; index++) {
    const stored = shown[index]
    if (stored && matches(stored._source, query))
      found.push({ ...stored, _score: null, sort: [...keyOf(stored), index] })
    if (found.length === size) break
  }
  world.pits.delete(pit.id)
  say(response, 200, {
    pit_id: keep(world, shown),
    took: 1,
    timed_out: false,
    _shards: { total: 1, successful: 1, skipped: 0, failed: 0 },
    hits: { max_score: null, hits: found },
  })
}

function keyOf({ _source }: Stored): [number, string] {
  return [
    Date.parse(String(valuesAt(_source, '@timestamp')[0])),
    String(valuesAt(_source, 'kibana.alert.uuid')[0]),
  ]
}

function byOrder(a: Stored, b: Stored): number {
  const [timeA, uuidA] = keyOf(a)
  const [timeB, uuidB] = keyOf(b)
  return timeA - timeB || (uuidA < uuidB ? -1 : Number(uuidA > uuidB))
}

const Range = z.strictObject({
  gte: z.number().optional(),
  lt: z.number().optional(),
  format: z.literal('epoch_millis').optional(),
})
const Clauses = z.array(z.record(z.string(), z.unknown()))
const Bool = z.strictObject({
  filter: Clauses.default([]),
  must_not: Clauses.default([]),
  should: Clauses.default([]),
  minimum_should_match: z.literal(1).optional(),
})

function matches(source: unknown, query: Record<string, unknown>): boolean {
  const [[kind, body] = []] = Object.entries(query)
  if (kind === 'bool') {
    const { filter, must_not, should } = Bool.parse(body)
    return (
      filter.every((one) => matches(source, one)) &&
      !must_not.some((one) => matches(source, one)) &&
      (should.length === 0 || should.some((one) => matches(source, one)))
    )
  }
  if (kind === 'exists')
    return valuesOf(source, z.strictObject({ field: z.string() }).parse(body).field).length > 0
  const [[field, wanted] = ['', undefined]] = Object.entries(
    z.record(z.string(), z.unknown()).parse(body),
  )
  if (kind === 'terms')
    return valuesOf(source, field).some((value) =>
      z.array(z.unknown()).parse(wanted).includes(value),
    )
  if (kind !== 'range') throw new Error(`no query ${kind} here`)
  const { gte = -Infinity, lt = Infinity } = Range.parse(wanted)
  return valuesOf(source, field).some((value) => {
    const number = typeof value === 'number' ? value : Date.parse(String(value))
    return number >= gte && number < lt
  })
}

function valuesOf(source: unknown, field: string): unknown[] {
  return valuesAt(source, field).flat()
}

/** The connection breaks where the answer would be. */
export function loseAnswer(lost: RegExp[], line: string, response: ServerResponse): void {
  const at = lost.findIndex((on) => on.test(line))
  if (at < 0) return
  lost.splice(at, 1)
  Object.assign(response, { writeHead: () => response, end: () => response.destroy() })
}
