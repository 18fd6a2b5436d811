/**
 * What Shuffle's importer makes of an OpenAPI document, and the request that an action of it sends. Written anew from the
 * outcomes that were recorded of the real loader and generator; each rule below has its name. Not imitated: the rewriting
 * by the editor in the browser, files, cookies, and the repair of names that it offers.
 */
import { z } from 'zod'

const methods = ['get', 'post', 'put', 'patch', 'delete'] as const
const withBody: readonly string[] = ['post', 'put', 'patch', 'delete']
const always = ['headers', 'queries', 'ssl_verify', 'to_file']

const Parameter = z.looseObject({
  in: z.string(),
  name: z.string(),
  required: z.boolean().default(false),
  example: z.unknown().optional(),
})
const Operation = z.looseObject({
  summary: z.string().default(''),
  parameters: z.array(Parameter).default([]),
})
const Scheme = z.looseObject({
  type: z.string(),
  name: z.string().optional(),
  in: z.string().optional(),
  description: z.string().default(''),
  flow: z.unknown().optional(),
})
type Scheme = z.infer<typeof Scheme>
const Document = z.looseObject({
  info: z.looseObject({ title: z.string().default(''), version: z.string() }),
  servers: z.array(z.looseObject({ url: z.string() })).default([]),
  components: z
    .looseObject({ securitySchemes: z.record(z.string(), Scheme).default({}) })
    .prefault({}),
  paths: z.record(z.string(), z.record(z.string(), z.unknown())),
})
type Document = z.infer<typeof Document>

export type Sent = { method: string; path: string; headers: Record<string, string>; body: string }
export type Action = {
  name: string
  /** Those that must be filled in end with a star. */
  parameters: string[]
  request(values: Readonly<Record<string, string>>, token: string): Sent
}
export type App = { name: string; version: string; auth: string[]; actions: Action[] }

/** Throws with the name of the rule that the document breaks. */
export function importOpenApi(text: string): App {
  const json: unknown = JSON.parse(text.replace(/\P{ASCII}/gu, ''))
  refuseWhatTheLoaderCannotRead(json)
  const read = Document.safeParse(json)
  if (!read.success) throw new Error('rule: info.version is text')
  const { info, components, paths } = read.data
  if (info.title === '') throw new Error('rule: info.title is not empty')
  const [first] = Object.entries(components.securitySchemes)
  const auth = first ? authentication(...first) : { parameters: ['url'], headers: () => ({}) }
  const actions = Object.entries(paths).flatMap(([path, item]) =>
    methods.flatMap((method) =>
      item[method] === undefined
        ? []
        : [makeAction({ document: read.data, path, method, auth }, Operation.parse(item[method]))],
    ),
  )
  return {
    name: info.title.replace(/[^\w]+/g, '_'),
    version: '1.1.0',
    auth: auth.parameters,
    actions: lastOfEqualNames(actions),
  }
}

/** Rule: of 3.1 a list of types, a limit as a number, a boolean schema and `$defs` are not read; nor other files. */
function refuseWhatTheLoaderCannotRead(value: unknown, key = ''): void {
  if (typeof value === 'boolean' && key === 'schema') throw new Error('rule: no boolean schema')
  if (typeof value !== 'object' || value === null) return
  for (const [name, inner] of Object.entries(value)) {
    if (name === 'type' && Array.isArray(inner)) throw new Error('rule: one type, no list')
    if (/^exclusiveM/.test(name) && typeof inner === 'number')
      throw new Error('rule: an exclusive limit is true or false')
    if (name === '$ref' && typeof inner === 'string' && inner.includes('$defs'))
      throw new Error('rule: no $defs')
    if (name === '$ref' && typeof inner === 'string' && !inner.startsWith('#'))
      throw new Error('rule: no other file')
    refuseWhatTheLoaderCannotRead(inner, name)
  }
}

type Auth = { parameters: string[]; headers(token: string): Record<string, string>; query?: string }

/** Rule: the first scheme counts, and only a few names of schemes are known; `security` is not looked at. */
function authentication(name: string, scheme: Scheme): Auth {
  const apikey = ['apikey', 'url']
  if (name === 'BearerAuth')
    return { parameters: apikey, headers: (token) => ({ authorization: `Bearer ${token}` }) }
  if (name === 'ApiKeyAuth' && scheme.in === 'query')
    return { parameters: apikey, headers: () => ({}), query: scheme.name ?? '' }
  if (name === 'ApiKeyAuth')
    return {
      parameters: apikey,
      headers: (token) => ({ [lower(scheme.name)]: `${scheme.description}${token}` }),
    }
  if (name === 'BasicAuth')
    return { parameters: ['username_basic', 'password_basic', 'url'], headers: () => ({}) }
  if (name === 'Oauth2' && scheme.flow === undefined)
    throw new Error('rule: Oauth2 has a flow of its own form')
  if (scheme.type === 'apiKey' && scheme.in === 'header')
    return { parameters: [name, 'url'], headers: (token) => ({ [lower(name)]: token }) }
  return { parameters: [name, 'url'], headers: () => ({}) }
}

function lower(text = ''): string {
  return text.toLowerCase()
}

type Place = { document: Document; path: string; method: string; auth: Auth }

function makeAction({ document, path, method, auth }: Place, operation: z.infer<typeof Operation>) {
  const { summary, parameters } = operation
  const of = (place: string) => parameters.filter((parameter) => parameter.in === place)
  const star = ({ name }: { name: string }) => `${identifier(name)}*`
  const queries = of('query')
  const action: Action = {
    name: actionName(method, summary, path),
    parameters: [
      ...auth.parameters.map((name) => `${name}*`),
      ...of('path').map(star),
      ...queries.filter(({ required }) => required).map(star),
      ...of('body').map(star),
      ...always,
      ...queries.filter(({ required }) => !required).map(({ name }) => identifier(name)),
    ],
    request: (values, token) => ({
      method: method.toUpperCase(),
      path: `${basePath(document)}${fillPath(path, of('path'), values)}${search(queries, values)}`,
      headers: { ...constants(of('header')), ...auth.headers(token) },
      body: withBody.includes(method) ? (values.body ?? '').replace(/\s+/g, ' ') : '',
    }),
  }
  return action
}

/** Rule: from the summary, in lower case, without what is no letter or figure; the method before it unless it is in it. */
function actionName(method: string, summary: string, path: string): string {
  const words = (summary || path.replace(/[/{}]+/g, ' ').trim()).replace(/[^\w ]/g, '')
  const name = words.trim().toLowerCase().replace(/ /g, '_')
  return name.includes(method) ? name : `${method}_${name}`
}

/** Rule: two actions of one name are both listed, and whichever is chosen, the later is run. */
function lastOfEqualNames(actions: readonly Action[]): Action[] {
  const last = new Map(actions.map((action) => [action.name, action]))
  return actions.map((action) => ({
    ...action,
    request: (last.get(action.name) ?? action).request,
  }))
}

/** Rule: only the path of the first server counts; its host is what the person fills in. */
function basePath({ servers: [first] }: Document): string {
  return first ? new URL(first.url).pathname.replace(/\/$/, '') : ''
}

/** Rule: a name in the path must be one in Python, and be declared by the operation itself. Values go in as they are. */
function fillPath(
  path: string,
  declared: readonly { name: string }[],
  values: Readonly<Record<string, string>>,
): string {
  return path.replace(/\{([^}]+)\}/g, (_, name: string) => {
    const [plain = ''] = name.split('-')
    if (plain !== name || !declared.some((parameter) => parameter.name === name))
      throw new Error(`rule: name '${plain}' is not defined`)
    return values[name] ?? ''
  })
}

/** Rule: a dash or a dot becomes an underscore, also in what is sent. */
function search(
  queries: readonly { name: string }[],
  values: Readonly<Record<string, string>>,
): string {
  const given = queries
    .map(({ name }) => identifier(name))
    .flatMap((name) => (values[name] ? [`${name}=${values[name]}`] : []))
  return given.length === 0 ? '' : `?${given.join('&')}`
}

function identifier(name: string): string {
  return name === 'from' ? 'from_shuffle' : name.replace(/[-.]/g, '_')
}

/** Rule: a header is its example on every call, and this text when it has none. */
function constants(
  headers: readonly { name: string; example?: unknown }[],
): Record<string, string> {
  return Object.fromEntries(
    headers.map(({ name, example }) => [
      lower(name),
      typeof example === 'string' ? example : '%!s(<nil>)',
    ]),
  )
}
