/**
 * An OpenCTI platform for tests: the vendor's own GraphQL schema, executed over a small world in memory, so that any
 * wrong field, argument or type fails as it would there.
 *
 * Imitated: the bearer token, errors with status 200, the limit on aliases, the ban of `__schema`, exact filters on one
 * key and on all ids, registration with its queue names, ping with state and its reset, works, bundles, playbook steps, drafts as a header.
 * Not imitated: rights and markings of users, other filters and their groups, order, paging, scores that decay by
 * themselves, workers, what becomes of a bundle.
 */
import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { fileURLToPath } from 'node:url'
import {
  buildSchema,
  execute,
  extendSchema,
  type GraphQLSchema,
  Kind,
  parse,
  validate,
} from 'graphql'
import { bodyOf, openWeb, type WebServer } from '../web-server.ts'

const schemaFile = fileURLToPath(
  new URL('../../../shared/contracts/opencti.graphql', import.meta.url),
)

/** What 7.260817 and later have besides, of what is used here (opencti-connector-7x.graphql). */
const newer = parse(`
extend input RegisterConnectorInput { xtm_one_intent: String version: String slug: String }
extend type Connector { xtm_one_intent: String version: String slug: String jwks: String! }
`)

/** Built once: it takes a second. */
let built: GraphQLSchema | undefined

/** False, or why tests with the vendor's schema are skipped. */
export function schemaMissing(): string | false {
  try {
    built ??= buildSchema(readFileSync(schemaFile, 'utf8'), { assumeValid: true })
    return false
  } catch (error) {
    return `no schema of the vendor: ${String(error).slice(0, 120)}`
  }
}

export type Entity = Record<string, unknown> & { __typename: string; id: string }

export type Exchange = {
  query: string
  variables: Record<string, unknown>
  headers: Record<string, string>
  answer: unknown
}

/** `reset`: somebody reset its state there, and it was not told of it yet. */
type Registered = { state: string | null; input: Record<string, unknown>; reset?: boolean }

export type World = {
  token: string
  /** The public keys of a platform of the 7.x line, as JSON; undefined for one of 6.9. */
  jwks: string | undefined
  /** IPv4Addr and IPv6Addr. */
  observables: Entity[]
  indicators: Entity[]
  markings: Entity[]
  /** What `registerConnector` answers with; the rest follows from the id. */
  broker: {
    host: string
    vhost: string
    use_ssl: boolean
    port: number
    user: string
    pass: string
  }
  /** Before every queue's name, as the platform's option does. */
  prefix: string
  connectors: Map<string, Registered>
  /** Whether the platform has heard of its connectors lately. */
  alive: boolean
  /** Of the token's user; undefined confidence: it may create nothing. They are told, and not imitated. */
  capabilities: string[]
  confidence: number | undefined
  /** Called for each registration: the platform declares the queues then. */
  declare(id: string): Promise<void>
  /** What was written, in order. */
  works: { id: string; did: string; message?: string; inError?: boolean; draft: string }[]
  bundles: { connector: string; work: string | undefined; bundle: string; draft: string }[]
  steps: Record<string, unknown>[]
  exchanges: Exchange[]
  /** Answers the next requests in place of the platform, one after the other. */
  faults: ((request: IncomingMessage, response: ServerResponse) => void)[]
}

export function emptyWorld(): World {
  return {
    token: '11111111-2222-4333-8444-555555555555',
    jwks: undefined,
    observables: [],
    indicators: [],
    markings: [],
    broker: {
      host: '127.0.0.1',
      vhost: '/',
      use_ssl: false,
      port: 1,
      user: 'guest',
      pass: 'guest',
    },
    prefix: '',
    connectors: new Map(),
    alive: true,
    capabilities: ['KNOWLEDGE_KNUPDATE', 'CONNECTORAPI', 'TAXIIAPI'],
    confidence: 100,
    declare: async () => {},
    works: [],
    bundles: [],
    steps: [],
    exchanges: [],
    faults: [],
  }
}

export async function startOpenCti(world: World): Promise<WebServer> {
  const missing = schemaMissing()
  if (missing || !built) throw new Error(missing || 'no schema')
  const schema =
    world.jwks === undefined ? built : extendSchema(built, newer, { assumeValid: true })
  return openWeb((request, response) => answer(schema, world, request, response))
}

async function answer(
  schema: GraphQLSchema,
  world: World,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const fault = world.faults.shift()
  if (fault) return fault(request, response)
  if (request.url !== '/graphql' || request.method !== 'POST') {
    response.writeHead(404, { 'content-type': 'text/html' }).end('<html>Not found</html>')
    return
  }
  const { query, variables } = JSON.parse(await bodyOf(request))
  const headers = Object.fromEntries(
    Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
  )
  const said = await resultOf(schema, world, query, variables ?? {}, headers)
  world.exchanges.push({ query, variables: variables ?? {}, headers, answer: said })
  response.writeHead(200, { 'content-type': 'application/json; charset=utf-8' })
  response.end(JSON.stringify(said))
}

async function resultOf(
  schema: GraphQLSchema,
  world: World,
  query: string,
  variables: Record<string, unknown>,
  headers: Record<string, string>,
): Promise<unknown> {
  if (headers.authorization !== `Bearer ${world.token}`)
    return refusal('AUTH_REQUIRED', 'You must be logged in to do this.')
  if (query.includes('__schema')) return refusal('FORBIDDEN_ACCESS', 'Introspection is disabled')
  const document = parse(query)
  for (const definition of document.definitions)
    if (definition.kind === Kind.OPERATION_DEFINITION) {
      const most = definition.operation === 'mutation' ? 1 : 2
      const names = definition.selectionSet.selections.flatMap((selection) =>
        selection.kind === Kind.FIELD ? [selection.name.value] : [],
      )
      if (names.some((name) => names.filter((other) => other === name).length > most))
        return refusal('GRAPHQL_VALIDATION_FAILED', 'too many aliases')
    }
  const wrong = validate(schema, document)
  if (wrong.length > 0)
    return { errors: wrong.map((e) => shown(e.message, 'GRAPHQL_VALIDATION_FAILED')), data: null }
  const draft = headers['opencti-draft-id'] ?? ''
  const result = await execute({
    schema,
    document,
    rootValue: root(world, draft),
    variableValues: variables,
    // As the platform: relations of one kind only.
    fieldResolver: (source, args, context, info) => {
      const value = source?.[info.fieldName]
      return typeof value === 'function' ? value(args, context, info) : value
    },
  })
  if (!result.errors) return result
  return {
    data: null,
    errors: result.errors.map(({ message, originalError }) =>
      shown(
        message,
        originalError instanceof Refused ? originalError.code : 'INTERNAL_SERVER_ERROR',
      ),
    ),
  }
}

class Refused extends Error {
  readonly code: string
  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

function shown(message: string, code: string) {
  return { message, name: code, extensions: { code } }
}

function refusal(code: string, message: string) {
  return { errors: [shown(message, code)], data: null }
}

type Filters = { filters: { key: string[]; values: unknown[]; operator?: string }[] }

function matching(entities: readonly Entity[], { filters = undefined }: { filters?: Filters }) {
  const nodes = entities.filter((entity) =>
    (filters?.filters ?? []).every(({ key, values, operator = 'eq' }) => {
      if (operator !== 'eq') throw new Refused('UNSUPPORTED_ERROR', `no operator ${operator} here`)
      return key.some((name) => valuesOf(entity, name).some((value) => values.includes(value)))
    }),
  )
  return connection(nodes)
}

/** The key `ids` means every id that an object has or had; it stands alone. */
function valuesOf(entity: Entity, key: string): unknown[] {
  if (key !== 'ids') return [entity[key]]
  return [entity.id, entity.standard_id, entity.x_opencti_stix_ids].flat()
}

export function connection(nodes: readonly unknown[]) {
  return {
    pageInfo: {
      startCursor: '',
      endCursor: '',
      hasNextPage: false,
      hasPreviousPage: false,
      globalCount: nodes.length,
    },
    edges: nodes.map((node) => ({ cursor: '', node })),
  }
}

function root(world: World, draft: string) {
  const connectorOf = (id: string) => {
    const known = world.connectors.get(id)
    if (known) return known
    throw new Refused('FUNCTIONAL_ERROR', 'No connector found with the specified ID')
  }
  const work = (id: string, did: string, more: { message?: string; inError?: boolean } = {}) => {
    world.works.push({ id, did, ...more, draft })
    return id
  }
  return {
    me: {
      name: 'Cordon',
      capabilities: world.capabilities.map((name) => ({ name })),
      effective_confidence_level:
        world.confidence === undefined ? null : { max_confidence: world.confidence },
    },
    connector: ({ id }: { id: string }) =>
      world.connectors.has(id) ? { active: world.alive, config: config(world, id) } : null,
    about: { version: world.jwks === undefined ? '6.9.17' : '7.260817.0' },
    stixCyberObservables: (args: { filters?: Filters }) => matching(world.observables, args),
    indicators: (args: { filters?: Filters }) => matching(world.indicators, args),
    stixCoreObjects: (args: { filters?: Filters }) =>
      matching([...world.observables, ...world.indicators], args),
    markingDefinition: ({ id }: { id: string }) =>
      world.markings.find((marking) => marking.id === id || marking.standard_id === id),
    registerConnector: async ({ input }: { input: Record<string, unknown> & { id: string } }) => {
      const { id } = input
      const { state = null, reset = false } = world.connectors.get(id) ?? {}
      world.connectors.set(id, { state, input, reset })
      await world.declare(id)
      return {
        id,
        connector_state: state,
        connector_user_id: userId,
        config: config(world, id),
        jwks: world.jwks,
      }
    },
    pingConnector: ({ id, state }: { id: string; state: string }) => {
      const known = connectorOf(id)
      if (known.reset) known.reset = false
      else known.state = state
      return { id, connector_state: known.state }
    },
    workAdd: ({ connectorId, friendlyName }: { connectorId: string; friendlyName: string }) => {
      connectorOf(connectorId)
      return { id: work(`work_${connectorId}_own`, 'added', { message: friendlyName }) }
    },
    workEdit: ({ id }: { id: string }) => ({
      toReceived: ({ message }: { message: string }) => work(id, 'toReceived', { message }),
      toProcessed: ({ message, inError }: { message: string; inError: boolean }) =>
        work(id, 'toProcessed', { message, inError }),
      addExpectations: () => work(id, 'addExpectations'),
    }),
    stixBundlePush: (args: { connectorId: string; bundle: string; work_id?: string }) => {
      connectorOf(args.connectorId)
      world.bundles.push({
        connector: args.connectorId,
        work: args.work_id,
        bundle: args.bundle,
        draft,
      })
      return true
    },
    playbookStepExecution: (step: Record<string, unknown>) => {
      world.steps.push(step)
      return true
    },
  }
}

/** The connector's own user: what it writes carries this as its creator. */
export const userId = '7c9d1f9e-0000-4000-8000-000000000001'

export function queueNames(world: Pick<World, 'prefix'>, id: string) {
  const { prefix } = world
  return {
    listen: `${prefix}listen_${id}`,
    listen_routing: `${prefix}listen_routing_${id}`,
    listen_exchange: `${prefix}amqp.connector.exchange`,
    push: `${prefix}push_${id}`,
    push_routing: `${prefix}push_routing_${id}`,
    push_exchange: `${prefix}amqp.worker.exchange`,
  }
}

function config(world: World, id: string) {
  return {
    connection: world.broker,
    ...queueNames(world, id),
    listen_callback_uri: null,
    dead_letter_routing: `${world.prefix}dead_letter_routing`,
  }
}
