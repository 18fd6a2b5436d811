/** One HTTP operation: what it takes and answers, from which both the handler and the OpenAPI document come. */

import type { HttpBindings } from '@hono/node-server'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { type OpenAPIHono, type RouteConfig, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { printable } from '#contract/printable.ts'
import { nearest, Problem, type ProblemCode, problemStatus } from '#contract/problem.ts'
import type { NodeIdentity } from '../store/nodes.ts'
import type { Scope } from '../store/tokens.ts'

/** Who calls: a person or program with a token, or a node with its own key. */
export type Caller =
  | { kind: 'token'; name: string; scopes: readonly Scope[]; actor: string }
  | { kind: 'node'; node: NodeIdentity; actor: string }
  | { kind: 'nobody'; actor: string }

export type Env = { Bindings: HttpBindings; Variables: { caller: Caller } }
export type App = OpenAPIHono<Env>
export type RouteContext = Context<Env>

/** Who may call: a token with this scope, a node, or anybody. `admin` may do all that tokens may. */
export type Access = Scope | 'node' | 'anybody'

type Nothing = z.ZodUndefined

export type Input<Params, Query, Body> = {
  params: z.output<Params>
  query: z.output<Query>
  body: z.output<Body>
  caller: Caller
}

export type Route<Params extends z.ZodType, Query extends z.ZodType, Body extends z.ZodType> = {
  method: 'get' | 'post'
  path: string
  /** Unique over all operations: importers name their actions after it. */
  summary: string
  description?: string
  tag: string
  access: Access
  params?: Params
  query?: Query
  body?: Body
  bodyExample?: unknown
  /** The body is what an HTML form sends. */
  form?: true
  answer: {
    status: 200 | 201 | 202
    schema: z.ZodType
    description: string
    /** When it may also be 202, with the same shape: what is waited for. */
    pending?: string
    /** JSON unless said otherwise; several where the caller chooses. */
    type?: string | readonly string[]
    example: unknown
  }
  /** Besides those that every operation may give. */
  problems?: readonly ProblemCode[]
  /** What it returns becomes the JSON answer, with `success: true` beside it; a Response goes out as it is. */
  handle: (input: Input<Params, Query, Body>, context: RouteContext) => Promise<object | Response>
}

export const ProblemSchema = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.number().int(),
    detail: z.string(),
    code: z.string(),
    remedy: z.string().optional(),
    cause: z.string().optional(),
    success: z.literal(false),
  })
  .meta({ id: 'Problem' })

export function mount<
  Params extends z.ZodType = Nothing,
  Query extends z.ZodType = Nothing,
  Body extends z.ZodType = Nothing,
>(app: App, route: Route<Params, Query, Body>): void {
  app.openAPIRegistry.registerPath(document(route))
  app.on(route.method.toUpperCase(), route.path.replace(/\{(\w+)\}/g, ':$1'), async (context) => {
    const caller = context.get('caller')
    authorise(caller, route.access)
    const input: Input<Params, Query, Body> = {
      params: read<Params>(route.params, context.req.param(), 'path parameter'),
      query: read<Query>(route.query, context.req.query(), 'query parameter'),
      body: read(route.body, route.body && (await readBody(context, route)), 'field'),
      caller,
    }
    const answer = await route.handle(input, context)
    return isResponse(answer)
      ? answer
      : context.json({ success: true, ...answer }, route.answer.status)
  })
}

/** The server exchanges the global Response, so the constant that it made before is no instance of it. */
function isResponse(answer: object): answer is Response {
  return answer === RESPONSE_ALREADY_SENT || answer instanceof Response
}

function authorise(caller: Caller, access: Access): void {
  if (access === 'anybody') return
  if (caller.kind === 'nobody')
    throw new Problem('unauthenticated', 'this needs a token', {
      remedy:
        access === 'node'
          ? 'enrol the node: cordon agent enrol'
          : 'send Authorization: Bearer <token>',
    })
  if (access === 'node' ? caller.kind === 'node' : may(caller, access)) return
  throw new Problem('forbidden', `${caller.actor} may not do this; it needs ${access}`, {
    remedy: 'use a token with that scope: cordon token create --scope',
  })
}

export function may(caller: Caller, wanted: Scope): boolean {
  return caller.kind === 'token' && allows(caller.scopes, wanted)
}

function allows(held: readonly Scope[], wanted: Scope): boolean {
  if (held.includes('admin') || held.includes(wanted)) return true
  return (wanted === 'read' || wanted === 'respond') && held.includes('review')
}

async function readBody(context: RouteContext, { form }: { form?: true }): Promise<unknown> {
  if (!form) return readJson(context)
  return Object.fromEntries(new URLSearchParams(await context.req.text()))
}

/** A missing Content-Type is taken for JSON: several playbook engines send none. */
async function readJson(context: RouteContext): Promise<unknown> {
  const text = await context.req.text()
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new Problem('malformed_json', text === '' ? 'the body is empty' : 'the body is no JSON', {
      remedy: 'send one JSON value in UTF-8',
      cause: error,
    })
  }
}

const nothing = z.undefined()

/** Where an operation declares no schema its type parameter is Nothing, whose output is undefined. */
function read<Schema extends z.ZodType>(
  schema: Schema | undefined,
  value: unknown,
  what: string,
): z.output<Schema> {
  if (!schema) return nothing.parse(undefined) as z.output<Schema>
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const issue = result.error.issues[0]
  const unknown = issue?.code === 'unrecognized_keys' ? issue.keys[0] : undefined
  const known = schema instanceof z.ZodObject ? Object.keys(schema.shape) : []
  const guess = unknown === undefined ? nearestValue(issue, value) : nearest(unknown, known)
  const where = issue?.path.join('.') || unknown || ''
  throw new Problem('invalid_input', printable(`${what} ${where}: ${issue?.message}`), {
    remedy: guess
      ? `did you mean ${guess}?`
      : '--help of the command says what it takes, /openapi.json what the operation does',
  })
}

/** Of a word that is none of those that its field takes. */
function nearestValue(issue: z.core.$ZodIssue | undefined, value: unknown): string | undefined {
  const [field, ...deeper] = issue?.path ?? []
  if (issue?.code !== 'invalid_value' || deeper.length > 0) return undefined
  const given = z.record(z.string(), z.unknown()).safeParse(value).data?.[String(field)]
  const known = issue.values.filter((one) => typeof one === 'string')
  return typeof given === 'string' ? nearest(given, known) : undefined
}

const everywhere: readonly ProblemCode[] = ['invalid_input', 'rate_limited', 'store_unavailable']

function document<Params extends z.ZodType, Query extends z.ZodType, Body extends z.ZodType>(
  route: Route<Params, Query, Body>,
): RouteConfig {
  const secured: ProblemCode[] = route.access === 'anybody' ? [] : ['unauthenticated', 'forbidden']
  const large: ProblemCode[] = route.body ? ['too_large'] : []
  const problems = [...new Set([...everywhere, ...secured, ...large, ...(route.problems ?? [])])]
  const { answer } = route
  const content = Object.fromEntries(
    [answer.type ?? 'application/json']
      .flat()
      .map((type) => [type, { schema: answer.schema, example: answer.example }]),
  )
  return {
    method: route.method,
    path: route.path,
    summary: route.summary,
    ...(route.description !== undefined && { description: route.description }),
    tags: [route.tag],
    security: route.access === 'anybody' ? [] : [{ BearerAuth: [] }],
    request: {
      ...(route.params instanceof z.ZodObject && { params: route.params }),
      ...(route.query instanceof z.ZodObject && { query: route.query }),
      ...(route.body && {
        body: {
          required: true,
          content: {
            [route.form ? 'application/x-www-form-urlencoded' : 'application/json']: {
              schema: route.body,
              example: route.bodyExample,
            },
          },
        },
      }),
    },
    responses: {
      [answer.status]: { description: answer.description, content },
      ...(answer.pending !== undefined && { 202: { description: answer.pending, content } }),
      ...Object.fromEntries(
        byStatus(problems).map(([status, codes]) => [status, problemAnswer(codes)]),
      ),
    },
  }
}

function byStatus(codes: readonly ProblemCode[]): [number, ProblemCode[]][] {
  return [...Map.groupBy(codes, (code) => problemStatus[code])]
}

function problemAnswer(codes: readonly ProblemCode[]) {
  const [code] = codes
  const example = code && new Problem(code, 'what happened', { remedy: 'what to do' }).toJSON()
  return {
    description: codes.join(', '),
    content: { 'application/problem+json': { schema: ProblemSchema, example } },
  }
}
