/**
 * What a test's Elasticsearch takes and tells beside searches for alerts.
 *
 * Imitated: `GET /`, `_count` of a space, `_has_privileges` by a list of what is missing, ILM policies, ingest pipelines and
 * index templates, `_bulk` with `create` to a data stream that a template makes (an id is unique in one backing index only,
 * as it is in truth), the pipeline that the template names being there, item errors on demand, rollover, and the search for
 * ids over all backing indices. Bodies are checked: an unknown key is refused.
 * Not imitated: mappings (a conflict is a fault that a test asks for), running the pipeline but for `event.ingested`, ILM
 * doing anything, failure stores, refresh, rights but where `missing` names them.
 */
import type { ServerResponse } from 'node:http'
import { z } from 'zod'
import { valuesAt } from '../../connectors/read-path.ts'
import { type ElasticWorld, say, sayError } from './elastic.ts'

type Json = Record<string, unknown>
export type Written = {
  policies: Map<string, Json>
  pipelines: Map<string, Json>
  templates: Map<string, Json>
  /** Backing indices of data streams by name, oldest first; each holds documents by id. */
  streams: Map<string, Map<string, Json>[]>
  /** Cluster and index privileges that the key does not have. */
  missing: string[]
  /** What a document is answered with instead of being written. */
  refuse(id: string, document: Json): ItemError | undefined
  /** Bytes of a larger body are refused. */
  mostBytes: number
}
export type ItemError = { status: number; type: string; reason?: string }

export function written(): Written {
  return {
    policies: new Map(),
    pipelines: new Map(),
    templates: new Map(),
    streams: new Map(),
    missing: [],
    refuse: () => undefined,
    mostBytes: 100_000_000,
  }
}

/** All documents of a data stream, in the order in which they were written. */
export function documentsOf({ written }: ElasticWorld, stream: string): Json[] {
  return (written.streams.get(stream) ?? []).flatMap((index) => [...index.values()])
}

export function rollOver({ written }: ElasticWorld, stream: string): void {
  written.streams.get(stream)?.push(new Map())
}

type Request = {
  world: ElasticWorld
  line: string
  text: string
  response: ServerResponse
  query: URLSearchParams
}

/** Whether it was for here. */
export function answerWrite(request: Request): boolean {
  for (const [pattern, answer] of routes) {
    const found = pattern.exec(request.line)
    if (!found) continue
    answer(request, found[1] ?? '')
    return true
  }
  return false
}

const Meta = z.looseObject({ managed_by: z.string(), version: z.int() })
const Policy = z.strictObject({
  policy: z.strictObject({ _meta: Meta, phases: z.record(z.string(), z.unknown()) }),
})
const Pipeline = z.strictObject({
  description: z.string(),
  version: z.int(),
  _meta: Meta,
  processors: z.array(z.record(z.string(), z.unknown())).min(1),
})
const Template = z.strictObject({
  index_patterns: z.array(z.string()).min(1),
  data_stream: z.strictObject({}),
  priority: z.int().min(101, 'logs-*-* has 100'),
  version: z.int(),
  _meta: Meta,
  template: z.strictObject({
    settings: z.object({
      index: z.looseObject({
        lifecycle: z.strictObject({ name: z.string() }),
        default_pipeline: z.string(),
      }),
    }),
    mappings: z.looseObject({ properties: z.record(z.string(), z.unknown()) }),
  }),
})

const routes: readonly [RegExp, (request: Request, name: string) => void][] = [
  [/^GET \/$/, ({ response }) => say(response, 200, info)],
  [/^(?:GET|POST) \/\.alerts-security\.alerts-([\w-]+)\/_count$/, countAlerts],
  [/^POST \/_security\/user\/_has_privileges$/, hasPrivileges],
  [/^GET \/_ilm\/policy\/([\w.-]+)$/, (request, name) => tell(request, 'policies', name)],
  [/^PUT \/_ilm\/policy\/([\w.-]+)$/, (request, name) => put(request, 'policies', name, Policy)],
  [/^GET \/_ingest\/pipeline\/([\w.-]+)$/, (request, name) => tell(request, 'pipelines', name)],
  [
    /^PUT \/_ingest\/pipeline\/([\w.-]+)$/,
    (request, name) => put(request, 'pipelines', name, Pipeline),
  ],
  [/^GET \/_index_template\/([\w.-]+)$/, (request, name) => tell(request, 'templates', name)],
  [
    /^PUT \/_index_template\/([\w.-]+)$/,
    (request, name) => put(request, 'templates', name, Template),
  ],
  [/^(?:POST|PUT) \/(logs-[\w.-]+)\/_bulk$/, bulk],
  [/^POST \/(logs-[\w.-]+)\/_search$/, searchIds],
]

const info = {
  name: 'double',
  cluster_name: 'double',
  cluster_uuid: 'double',
  version: { number: '9.1.0', build_flavor: 'default' },
  tagline: 'You Know, for Search',
}

const rightsOf = {
  policies: 'manage_ilm',
  pipelines: 'manage_ingest_pipelines',
  templates: 'manage_index_templates',
} as const
type Kind = keyof typeof rightsOf

function tell({ world, response }: Request, kind: Kind, name: string) {
  if (lacks(world, rightsOf[kind])) return sayError(response, 403, 'security_exception')
  const found = world.written[kind].get(name)
  if (found === undefined)
    return kind === 'pipelines'
      ? say(response, 404, {})
      : sayError(response, 404, 'resource_not_found_exception')
  const answers = {
    policies: { [name]: { version: 1, modified_date: '2026-01-01T00:00:00.000Z', ...found } },
    pipelines: { [name]: found },
    templates: { index_templates: [{ name, index_template: found }] },
  }
  say(response, 200, answers[kind])
}

function put({ world, response, text }: Request, kind: Kind, name: string, shape: z.ZodType<Json>) {
  if (lacks(world, rightsOf[kind])) return sayError(response, 403, 'security_exception')
  const read = shape.safeParse(JSON.parse(text))
  if (!read.success) return sayError(response, 400, 'parsing_exception')
  world.written[kind].set(name, read.data)
  say(response, 200, { acknowledged: true })
}

function countAlerts({ world, response }: Request, space: string) {
  if (!world.spaces.includes(space)) return sayError(response, 404, 'index_not_found_exception')
  if (lacks(world, 'read')) return sayError(response, 403, 'security_exception')
  const count = world.alerts.filter(({ _index }) => _index.includes(`alerts-${space}`)).length
  say(response, 200, { count, _shards: { total: 1, successful: 1, skipped: 0, failed: 0 } })
}

const Asked = z.strictObject({
  index: z.array(z.strictObject({ names: z.array(z.string()), privileges: z.array(z.string()) })),
})

function hasPrivileges({ world, response, text }: Request) {
  const { index } = Asked.parse(JSON.parse(text))
  const told = index.flatMap(({ names, privileges }) =>
    names.map(
      (name) =>
        [name, Object.fromEntries(privileges.map((one) => [one, !lacks(world, one)]))] as const,
    ),
  )
  const all = told.every(([, rights]) => Object.values(rights).every(Boolean))
  say(response, 200, {
    username: 'double',
    has_all_requested: all,
    cluster: {},
    index: Object.fromEntries(told),
    application: {},
  })
}

const Create = z.strictObject({ create: z.strictObject({ _id: z.string().min(1).max(512) }) })

function bulk({ world, response, text, query }: Request, name: string) {
  if (world.major < 9 && query.has('require_data_stream')) {
    const reason = `request [/${name}/_bulk] contains unrecognized parameter: [require_data_stream]`
    const error = { type: 'illegal_argument_exception', reason }
    return say(response, 400, { error: { root_cause: [error], ...error }, status: 400 })
  }
  if (world.major >= 9 && query.get('require_data_stream') !== 'true')
    return sayError(response, 400, 'action_request_validation_exception')
  if (Buffer.byteLength(text) > world.written.mostBytes) {
    response.writeHead(413, { 'content-type': 'text/html' }).end('<h1>413</h1>')
    return
  }
  if (!text.endsWith('\n')) return sayError(response, 400, 'illegal_argument_exception')
  const lines = text.slice(0, -1).split('\n')
  const items: object[] = []
  for (let at = 0; at < lines.length; at += 2) {
    const { create } = Create.parse(JSON.parse(lines[at] ?? ''))
    const document = z.record(z.string(), z.unknown()).parse(JSON.parse(lines[at + 1] ?? ''))
    items.push({ create: { _id: create._id, ...writeOne(world, name, create._id, document) } })
  }
  say(response, 200, { took: 1, errors: items.some((item) => 'error' in item), items })
}

function writeOne(world: ElasticWorld, name: string, id: string, document: Json): object {
  const { written } = world
  const error = errorOf(world, name, id, document)
  if (error) {
    const { status, type, reason = `${type} of the double` } = error
    return { _index: name, status, error: { type, reason } }
  }
  const stream = written.streams.get(name) ?? [new Map<string, Json>()]
  written.streams.set(name, stream)
  const index = `.ds-${name}-2026.03.01-${String(stream.length).padStart(6, '0')}`
  const newest = stream.at(-1)
  if (newest?.has(id))
    return {
      _index: index,
      status: 409,
      error: { type: 'version_conflict_engine_exception', reason: `[${id}]: document exists` },
    }
  const event = z.record(z.string(), z.unknown()).parse(document.event)
  newest?.set(id, { ...document, event: { ...event, ingested: '2026-03-01T00:00:00.000Z' } })
  return { _index: index, status: 201, result: 'created' }
}

function errorOf(
  world: ElasticWorld,
  name: string,
  id: string,
  document: Json,
): ItemError | undefined {
  const { written } = world
  const asked = written.refuse(id, document)
  if (asked) return asked
  if (lacks(world, 'create_doc')) return { status: 403, type: 'security_exception' }
  const template = [...written.templates.values()].find((one) =>
    Template.parse(one).index_patterns.some((pattern) => name.startsWith(pattern.slice(0, -1))),
  )
  if (!template) return { status: 404, type: 'index_not_found_exception' }
  const { default_pipeline } = Template.parse(template).template.settings.index
  if (!written.pipelines.has(default_pipeline))
    return { status: 400, type: 'illegal_argument_exception' }
  const [type, dataset, namespace] = ['type', 'dataset', 'namespace'].map(
    (part) => valuesAt(document, `data_stream.${part}`)[0],
  )
  if (`${type}-${dataset}-${namespace}` !== name || typeof document['@timestamp'] !== 'string')
    return { status: 400, type: 'document_parsing_exception' }
  return undefined
}

const Ids = z.strictObject({
  query: z.strictObject({ ids: z.strictObject({ values: z.array(z.string()) }) }),
  size: z.int().min(1),
  _source: z.literal(false),
  track_total_hits: z.literal(false),
})

function searchIds({ world, response, text, query }: Request, name: string) {
  if (lacks(world, 'read')) return sayError(response, 403, 'security_exception')
  const { query: wanted } = Ids.parse(JSON.parse(text))
  const stream = world.written.streams.get(name)
  if (!stream && query.get('ignore_unavailable') !== 'true')
    return sayError(response, 404, 'index_not_found_exception')
  const hits = (stream ?? []).flatMap((index) =>
    wanted.ids.values.filter((id) => index.has(id)).map((id) => ({ _id: id, _index: name })),
  )
  const _shards = { total: 1, successful: 1, skipped: 0, failed: 0 }
  say(response, 200, { took: 1, timed_out: false, _shards, hits: { max_score: null, hits } })
}

function lacks({ written }: ElasticWorld, right: string): boolean {
  return written.missing.includes(right)
}
