/** What Elasticsearch has to hold before results come: ILM policy, ingest pipeline and index template, as plain JSON. */
import type { estypes } from '@elastic/elasticsearch'

/** Raised whenever one of them changes: what is older and ours is put anew. */
const version = 3

export type Plan = {
  dataset: string
  namespace: string
  /** Milliseconds. */
  rollover: number
  /** Milliseconds after the rollover; undefined for ever. */
  keep: number | undefined
}

/** `_meta` of all three. `settings` says of which settings it was made, so that changed ones are put too. */
export type Mark = { managed_by: 'cordon'; version: number; settings: string }

export function dataStreamOf({ dataset, namespace }: Plan): string {
  return `logs-${dataset}-${namespace}`
}

/** All three bear it. */
export function resourceName({ dataset }: Plan): string {
  return `logs-${dataset}`
}

export function ilmPolicy(plan: Plan) {
  const settings = `rollover ${elasticTime(plan.rollover)}, keep ${
    plan.keep === undefined ? 'forever' : elasticTime(plan.keep)
  }`
  const rollover = { max_age: elasticTime(plan.rollover), max_primary_shard_size: '50gb' }
  return {
    _meta: markOf(settings),
    phases: {
      hot: { actions: { rollover } },
      ...(plan.keep !== undefined && {
        delete: { min_age: elasticTime(plan.keep), actions: { delete: {} } },
      }),
    },
  }
}

export function ingestPipeline() {
  return {
    description: 'Results of Cordon: when they arrived',
    version,
    _meta: markOf(''),
    processors: [{ set: { field: 'event.ingested', value: '{{{_ingest.timestamp}}}' } }],
  }
}

/** Above `logs-*-*`, which has 100. */
export function indexTemplate(plan: Plan) {
  const name = resourceName(plan)
  return {
    index_patterns: [`${name}-*`],
    data_stream: {},
    priority: 200,
    version,
    _meta: markOf(''),
    template: {
      settings: {
        index: {
          lifecycle: { name },
          default_pipeline: name,
          codec: 'best_compression',
          // What is no number, date or address is kept, and only not found by that field.
          mapping: { ignore_malformed: true },
        },
      },
      mappings,
    },
  }
}

function markOf(settings: string): Mark {
  return { managed_by: 'cordon', version, settings }
}

/** In the largest unit that is whole. */
function elasticTime(ms: number): string {
  for (const [unit, size] of [
    ['d', 86_400_000],
    ['h', 3_600_000],
    ['m', 60_000],
    ['s', 1_000],
  ] as const)
    if (ms > 0 && ms % size === 0) return `${ms / size}${unit}`
  return `${ms}ms`
}

const keyword = { type: 'keyword', ignore_above: 1024 } as const
const words = (...names: string[]) => Object.fromEntries(names.map((name) => [name, keyword]))
const time = { type: 'date' } as const
/** Kept and shown, not searched: whole records, which have no bound that a keyword allows. */
const kept = { type: 'keyword', index: false, doc_values: false } as const

const mappings: estypes.MappingTypeMapping = {
  date_detection: false,
  dynamic_templates: [
    { words: { match_mapping_type: 'string', mapping: { type: 'keyword', ignore_above: 1024 } } },
  ],
  properties: {
    '@timestamp': { type: 'date', ignore_malformed: false },
    data_stream: {
      properties: {
        type: { type: 'constant_keyword', value: 'logs' },
        dataset: { type: 'constant_keyword' },
        namespace: { type: 'constant_keyword' },
      },
    },
    ecs: { properties: words('version') },
    event: {
      properties: {
        ...words('kind', 'category', 'type', 'action', 'outcome', 'module', 'dataset', 'provider'),
        ...words('id', 'code', 'hash', 'reason'),
        sequence: { type: 'long' },
        severity: { type: 'long' },
        created: time,
        ingested: time,
        start: time,
        end: time,
      },
    },
    message: { type: 'match_only_text' },
    source: { properties: { ip: { type: 'ip' }, address: keyword } },
    destination: {
      properties: { ip: { type: 'ip' }, address: keyword, port: { type: 'long' } },
    },
    host: { properties: { ip: { type: 'ip' }, ...words('name') } },
    related: { properties: { ip: { type: 'ip' }, ...words('user', 'hosts', 'hash') } },
    rule: { properties: words('id', 'name', 'category', 'ruleset') },
    user: { properties: words('name', 'id') },
    observer: {
      properties: { ...words('name', 'type', 'vendor', 'product', 'version'), ip: { type: 'ip' } },
    },
    organization: { properties: words('name', 'id') },
    threat: { type: 'object', dynamic: true },
    cordon: {
      // A field that this version does not know is kept and not indexed: it can spoil nothing.
      dynamic: false,
      properties: {
        ...words('actor', 'subject', 'target', 'prev', 'node', 'audience'),
        before: kept,
        after: kept,
        decision: {
          dynamic: false,
          properties: {
            ...words('id', 'state', 'outcome', 'origin', 'audience', 'direction', 'end_reason'),
            ...words('actor', 'rule', 'target', 'reasons'),
            ...words('action', 'response', 'rate', 'interface', 'protocol', 'ports'),
            ...words('peer', 'peer_interface'),
            alerts: { type: 'long' },
            packets: { type: 'long' },
            last_hit: time,
            created: time,
            not_after: time,
            ended: time,
          },
        },
        alert: { type: 'flattened', ignore_above: 1024 },
        receipt: { type: 'flattened', ignore_above: 1024 },
        details: { type: 'flattened', ignore_above: 1024 },
      },
    },
  },
}
