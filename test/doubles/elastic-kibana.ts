/**
 * A Kibana for tests, over the alerts of a test's Elasticsearch: how they stand, their status and tags, and cases.
 *
 * Imitated: the key, `kbn-xsrf` for what writes, the version of the public API, spaces in the path with alerts of their own,
 * strict bodies, updates by query that pass over alerts that are not there, tags that may not be added and removed at once,
 * a reason only for what is closed, cases with comments in pages, an alert attached once only and told in the alert itself,
 * features that the key lacks.
 * Not imitated: refresh (everything is seen at once), rights by index, rules, users, limits of cases, closing a case with its
 * alerts, connectors and rules.
 */
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http'
import { z } from 'zod'
import { valuesAt } from '../../connectors/read-path.ts'
import { bodyOf, openWeb, type Tls, type WebServer } from '../web-server.ts'
import { type ElasticWorld, loseAnswer, type Stored } from './elastic.ts'

export type KibanaCase = {
  id: string
  space: string
  title: string
  tags: string[]
  severity: string
  comments: { comment: string; created_at: string }[]
  alerts: string[]
}
export type KibanaFault = { on: RegExp; answer(response: ServerResponse): void }
export type KibanaWorld = {
  elastic: Pick<ElasticWorld, 'alerts'>
  authorization: string
  cases: KibanaCase[]
  /** Features that the key lacks. */
  missing: ('alerts' | 'cases')[]
  /** Each is used once, by the first request that it is for. */
  faults: KibanaFault[]
  /** As faults, but the request is done and only its answer never comes. */
  lost: RegExp[]
  /** What was asked, in order, as `METHOD /path`. */
  asked: string[]
  /** When what is written next is written. */
  now: number
}

export function kibanaWorld(
  elastic: Pick<ElasticWorld, 'alerts'>,
  more: Partial<KibanaWorld> = {},
): KibanaWorld {
  return {
    elastic,
    authorization: 'ApiKey a2V5OnNlY3JldA==',
    cases: [],
    missing: [],
    faults: [],
    lost: [],
    asked: [],
    now: Date.UTC(2026, 6, 1, 10),
    ...more,
  }
}

export function startKibana(world: KibanaWorld, tls?: Tls): Promise<WebServer> {
  return openWeb((request, response) => answer(world, request, response), tls)
}

export function sayKibana(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json', 'kbn-name': 'double' })
  response.end(JSON.stringify(body))
}

export function sayKibanaError(response: ServerResponse, status: number): void {
  const error = STATUS_CODES[status]
  sayKibana(response, status, { statusCode: status, error, message: `${error} of the double` })
}

type Request = {
  world: KibanaWorld
  space: string
  body: unknown
  query: URLSearchParams
  response: ServerResponse
}

async function answer(
  world: KibanaWorld,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { pathname, searchParams: query } = new URL(request.url ?? '', 'http://double')
  const line = `${request.method} ${decodeURIComponent(pathname)}`
  const text = await bodyOf(request)
  world.asked.push(line)
  const fault = world.faults.findIndex(({ on }) => on.test(line))
  if (fault >= 0) return world.faults.splice(fault, 1)[0]?.answer(response)
  loseAnswer(world.lost, line, response)
  const { headers, method } = request
  if (headers.authorization !== world.authorization) return sayKibanaError(response, 401)
  const json = headers['content-type'] === 'application/json'
  if (method !== 'GET' && (headers['kbn-xsrf'] === undefined || !json))
    return sayKibanaError(response, 400)
  if (headers['elastic-api-version'] !== '2023-10-31') return sayKibanaError(response, 400)
  const [, space = 'default', path = ''] =
    /^(?:\/s\/([a-z0-9_-]+))?(\/api\/.*)$/.exec(pathname) ?? []
  const body: unknown = text === '' ? undefined : JSON.parse(text)
  for (const [on, feature, handle] of routes) {
    const found = on.exec(`${method} ${path}`)
    if (!found) continue
    if (feature !== undefined && world.missing.includes(feature))
      return sayKibanaError(response, 403)
    return orRefuse(response, () =>
      handle({ world, space, body, query, response }, decodeURIComponent(found[1] ?? '')),
    )
  }
  sayKibanaError(response, 404)
}

/** A body in another shape is answered as Kibana does. */
function orRefuse(response: ServerResponse, work: () => void) {
  try {
    work()
  } catch (error) {
    if (!(error instanceof z.ZodError)) throw error
    sayKibanaError(response, 400)
  }
}

const routes: readonly [
  RegExp,
  'alerts' | 'cases' | undefined,
  (request: Request, id: string) => void,
][] = [
  [/^GET \/api\/status$/, undefined, tellStatus],
  [/^POST \/api\/detection_engine\/signals\/search$/, 'alerts', searchAlerts],
  [/^POST \/api\/detection_engine\/signals\/status$/, 'alerts', setStatus],
  [/^POST \/api\/detection_engine\/signals\/tags$/, 'alerts', setTags],
  [/^GET \/api\/cases\/_find$/, 'cases', findCases],
  [/^POST \/api\/cases$/, 'cases', makeCase],
  [/^GET \/api\/cases\/([^/]+)\/comments\/_find$/, 'cases', findComments],
  [/^POST \/api\/cases\/([^/]+)\/comments$/, 'cases', attach],
]

function tellStatus({ response }: Request): void {
  sayKibana(response, 200, {
    name: 'double',
    version: { number: '9.1.0' },
    status: { overall: { level: 'available' } },
  })
}

const Search = z.strictObject({
  query: z.strictObject({ ids: z.strictObject({ values: z.array(z.string()) }) }),
  size: z.int().min(0),
  _source: z.array(z.string()),
  track_total_hits: z.boolean(),
})

function searchAlerts({ world, space, body, response }: Request): void {
  const { query, size, _source } = Search.parse(body)
  const hits = alertsOf(world, space, query.ids.values)
    .slice(0, size)
    .map((hit) => ({ ...hit, _source: only(hit._source, _source) }))
  const _shards = { total: 1, successful: 1, skipped: 0, failed: 0 }
  sayKibana(response, 200, { timed_out: false, _shards, hits: { hits } })
}

function only(source: Record<string, unknown>, fields: readonly string[]): object {
  return Object.fromEntries(
    fields.flatMap((field) => valuesAt(source, field).map((value) => [field, value] as const)),
  )
}

const ids = z.array(z.string().min(1)).min(1)
const Status = z.union([
  z.strictObject({ signal_ids: ids, status: z.enum(['open', 'acknowledged']) }),
  z.strictObject({
    signal_ids: ids,
    status: z.literal('closed'),
    reason: z.string().optional(),
  }),
])

function setStatus({ world, space, body, response }: Request): void {
  const read = Status.parse(body)
  const found = alertsOf(world, space, read.signal_ids)
  for (const { _source } of found) {
    _source['kibana.alert.workflow_status'] = read.status
    if ('reason' in read) _source['kibana.alert.workflow_reason'] = read.reason
  }
  sayKibana(response, 200, updated(found.length))
}

const tags = z.array(z.string().trim().min(1))
const Tags = z.strictObject({
  ids,
  tags: z
    .strictObject({ tags_to_add: tags, tags_to_remove: tags })
    .refine(
      ({ tags_to_add, tags_to_remove }) => !tags_to_add.some((tag) => tags_to_remove.includes(tag)),
    ),
})

function setTags({ world, space, body, response }: Request): void {
  const { ids, tags } = Tags.parse(body)
  const found = alertsOf(world, space, ids)
  for (const { _source } of found) {
    const kept = tagsOf(_source).filter((tag) => !tags.tags_to_remove.includes(tag))
    _source['kibana.alert.workflow_tags'] = [...new Set([...kept, ...tags.tags_to_add])]
  }
  sayKibana(response, 200, updated(found.length))
}

export function tagsOf(source: Record<string, unknown>): string[] {
  return z.array(z.string()).catch([]).parse(source['kibana.alert.workflow_tags'])
}

function updated(total: number): object {
  return { took: 1, timed_out: false, total, updated: total, version_conflicts: 0, failures: [] }
}

function findCases({ world, space, query, response }: Request) {
  if (query.get('owner') !== 'securitySolution') return sayKibanaError(response, 403)
  const tag = query.get('tags')
  const cases = world.cases.filter(
    (one) => one.space === space && (tag === null || one.tags.includes(tag)),
  )
  sayKibana(response, 200, {
    cases: cases.slice(0, Number(query.get('perPage'))),
    total: cases.length,
  })
}

const owner = z.literal('securitySolution')
const NewCase = z.strictObject({
  title: z.string().min(1).max(160),
  description: z.string().min(1).max(30_000),
  tags: z.array(z.string().min(1).max(256)).max(200),
  severity: z.enum(['low', 'medium', 'high', 'critical']),
  owner,
  connector: z.strictObject({
    id: z.literal('none'),
    name: z.literal('none'),
    type: z.literal('.none'),
    fields: z.null(),
  }),
  settings: z.strictObject({ syncAlerts: z.boolean() }),
})

function makeCase({ world, space, body, response }: Request): void {
  const { title, tags, severity } = NewCase.parse(body)
  const id = `case-${world.cases.length + 1}`
  world.cases.push({ id, space, title, tags, severity, comments: [], alerts: [] })
  sayKibana(response, 200, { id, title, tags, version: 'WzEsMV0=' })
}

function findComments({ world, space, query, response }: Request, id: string) {
  const found = world.cases.find((one) => one.id === id && one.space === space)
  if (!found) return sayKibanaError(response, 404)
  const [page, perPage] = [Number(query.get('page')), Number(query.get('perPage'))]
  if (!(page >= 1 && perPage >= 1 && perPage <= 100)) return sayKibanaError(response, 400)
  const all = query.get('sortOrder') === 'desc' ? found.comments.toReversed() : found.comments
  const comments = all
    .slice((page - 1) * perPage, page * perPage)
    .map((one) => ({ type: 'user', ...one }))
  sayKibana(response, 200, { comments, page, per_page: perPage, total: all.length })
}

const Attachment = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('user'), comment: z.string().min(1).max(30_000), owner }),
  z.strictObject({
    type: z.literal('alert'),
    alertId: z.string(),
    index: z.string(),
    rule: z.strictObject({ id: z.string(), name: z.string() }),
    owner,
  }),
])

function attach({ world, space, body, response }: Request, id: string) {
  const attachment = Attachment.parse(body)
  const found = world.cases.find((one) => one.id === id && one.space === space)
  if (!found) return sayKibanaError(response, 404)
  if (attachment.type === 'user') {
    const created_at = new Date(world.now).toISOString()
    found.comments.push({ comment: attachment.comment, created_at })
  } else if (!found.alerts.includes(attachment.alertId)) {
    found.alerts.push(attachment.alertId)
    for (const { _source } of alertsOf(world, space, [attachment.alertId]))
      _source['kibana.alert.case_ids'] = [
        ...z.array(z.string()).catch([]).parse(_source['kibana.alert.case_ids']),
        id,
      ]
  }
  sayKibana(response, 200, { id, comments: [] })
}

function alertsOf({ elastic }: KibanaWorld, space: string, ids: readonly string[]): Stored[] {
  const own = new RegExp(`\\.alerts-security\\.alerts-${space}(-\\d+)?$`)
  return elastic.alerts.filter(({ _id, _index }) => ids.includes(_id) && own.test(_index))
}
