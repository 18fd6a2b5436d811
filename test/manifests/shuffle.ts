/** Shuffle's flavour of the API document: what a playbook needs, worded and shaped for its importer. */
import { z } from 'zod'

type Chosen = {
  method: 'get' | 'post'
  path: string
  /** The action's name in Shuffle, which puts the method before it. */
  summary: string
  /** Optional parameters of the query that are offered; required ones always are. */
  offered?: readonly string[]
  /** The body at first, of which `field()` becomes one to fill in. */
  body?: Record<string, string>
  /** Where the API takes any object, what stands in it. */
  sample?: Record<string, string | number>
}

const alert = { id: 'a1', attacker: '203.0.113.7', rule: 'ssh brute force', severity: 80 }
const reason = { reason: field('reason') }
const target = { target: field('target'), ...reason }

const chosen: readonly Chosen[] = [
  { method: 'post', path: '/v1/alerts/{connector}', summary: 'Send alert', sample: alert },
  { method: 'get', path: '/v1/why', summary: 'Lookup address' },
  {
    method: 'post',
    path: '/v1/decisions',
    summary: 'Block address',
    offered: ['wait_s'],
    body: { ...target, for: '4h' },
  },
  { method: 'post', path: '/v1/addresses/lift', summary: 'Lift address', body: target },
  {
    method: 'get',
    path: '/v1/decisions',
    summary: 'List decisions',
    offered: ['state', 'target', 'limit'],
  },
  { method: 'get', path: '/v1/decisions/{id}', summary: 'Show decision' },
  {
    method: 'post',
    path: '/v1/decisions/{id}/approve',
    summary: 'Approve decision',
    offered: ['wait_s'],
    body: reason,
  },
  {
    method: 'post',
    path: '/v1/decisions/{id}/decline',
    summary: 'Decline decision',
    body: reason,
  },
  {
    method: 'post',
    path: '/v1/decisions/{id}/extend',
    summary: 'Extend block',
    body: { for: field('length'), ...reason },
  },
  { method: 'post', path: '/v1/decisions/{id}/lift', summary: 'Lift decision', body: reason },
  { method: 'get', path: '/v1/review', summary: 'List questions', offered: ['limit'] },
]

const Parameter = z.looseObject({
  name: z.string(),
  in: z.enum(['path', 'query']),
  required: z.boolean(),
  schema: z.looseObject({ example: z.unknown(), nullable: z.boolean().optional() }),
})
const BodySchema = z.looseObject({
  properties: z.record(z.string(), z.unknown()).optional(),
  required: z.array(z.string()).optional(),
})
const Content = z.looseObject({ 'application/json': z.looseObject({ example: z.unknown() }) })
const Operation = z.looseObject({
  description: z.string().optional(),
  tags: z.array(z.string()),
  parameters: z.array(Parameter).default([]),
  requestBody: z
    .looseObject({
      content: z.looseObject({ 'application/json': z.looseObject({ schema: BodySchema }) }),
    })
    .optional(),
  responses: z.record(
    z.string(),
    z.looseObject({ description: z.string(), content: z.looseObject({}) }),
  ),
})
type Operation = z.infer<typeof Operation>
const Api = z.looseObject({
  openapi: z.string().startsWith('3.0.'),
  info: z.looseObject({ title: z.string(), version: z.string(), description: z.string() }),
  paths: z.record(z.string(), z.record(z.string(), z.unknown())),
})

/** Contents by path from the root of the repository, made of the API document. */
export function shuffleFiles(api: unknown): Map<string, string> {
  return new Map([['manifests/shuffle/openapi.json', `${printJson(shuffleDocument(api))}\n`]])
}

/** `in: body` is no OpenAPI 3; it is what makes the importer ask for a body, so this is an export for it alone. */
export function shuffleDocument(api: unknown): object {
  const { openapi, info, paths } = Api.parse(api)
  const made: Record<string, Record<string, object>> = {}
  for (const wanted of chosen) {
    const operation = Operation.parse(paths[wanted.path]?.[wanted.method])
    const place = wanted.path.replace('{id}', '{decision_id}')
    made[place] = { ...made[place], [wanted.method]: reshape(wanted, operation) }
  }
  return {
    openapi,
    info: { ...info, 'x-categories': ['Network'] },
    servers: [{ url: 'https://cordon.example:8055' }],
    security: [{ BearerAuth: [] }],
    components: { securitySchemes: { BearerAuth: { type: 'http', scheme: 'bearer' } } },
    paths: made,
  }
}

function reshape(wanted: Chosen, operation: Operation): object {
  const { description, tags, responses } = operation
  const body = bodyOf(wanted, operation)
  const offered = operation.parameters.filter(
    ({ name, required }) => required || wanted.offered?.includes(name),
  )
  return {
    summary: wanted.summary,
    ...(description !== undefined && { description }),
    tags,
    parameters: [...offered.map(reshapeParameter(wanted)), ...(body ? bodyParameters(body) : [])],
    ...(body && {
      requestBody: {
        required: true,
        content: { 'application/json': { schema: body.schema } },
      },
    }),
    responses: answers(responses),
  }
}

/** Any connector reads alerts; the one in the example takes those of the sample. */
function reshapeParameter({ sample }: Chosen) {
  return ({ name, schema, ...rest }: z.infer<typeof Parameter>) => {
    const example = sample ? 'webhook' : schema.example
    const { nullable: _, ...shape } = { ...schema, example }
    return { ...rest, name: name === 'id' ? 'decision_id' : name, example, schema: shape }
  }
}

type Body = { schema: object; example: Record<string, string | number> }

/** Written out, not by reference: of a reference the form makes keys in lower case. */
function bodyOf({ body, sample, summary }: Chosen, { requestBody }: Operation): Body | undefined {
  if (!requestBody) return undefined
  const { properties = {}, required = [], ...rest } = requestBody.content['application/json'].schema
  if (sample)
    return { schema: { ...rest, type: 'object', properties: shapeOf(sample) }, example: sample }
  const missing = required.filter((name) => !Object.hasOwn(body ?? {}, name))
  if (!body || missing.length > 0)
    throw new Error(`the body of "${summary}" lacks ${missing.join(', ') || 'everything'}`)
  const kept = Object.fromEntries(Object.keys(body).map((name) => [name, properties[name]]))
  return { schema: { ...rest, properties: kept, required }, example: body }
}

function shapeOf(sample: Record<string, string | number>): object {
  return Object.fromEntries(
    Object.entries(sample).map(([name, example]) => [name, { type: typeof example, example }]),
  )
}

/** A Content-Type is sent only when it is a parameter with an example. */
function bodyParameters({ example }: Body): object[] {
  const text = { type: 'string' }
  const json = 'application/json'
  return [
    { in: 'body', name: 'body', required: true, example: JSON.stringify(example), schema: text },
    { in: 'header', name: 'Content-Type', required: false, example: json, schema: text },
  ]
}

function answers(responses: Operation['responses']): object {
  const good = Object.entries(responses).filter(([status]) => status.startsWith('2'))
  return Object.fromEntries(
    good.map(([status, { description, content }]) => {
      const { example } = Content.parse(content)['application/json']
      return [
        status,
        { description, content: { 'application/json': { example, schema: { type: 'object' } } } },
      ]
    }),
  )
}

function field(name: string): string {
  return `\${${name}}`
}

/** As biome writes it: an array of what has no parts stands on one line. */
function printJson(value: unknown): string {
  const lines = JSON.stringify(value, null, 2)
  return lines.replace(/\[\n\s+([^[\]{}]*?)\n\s+\]/g, (_, items: string) => {
    return `[${items.replace(/,\n\s+/g, ', ')}]`
  })
}
