/**
 * A Splunk for tests, as far as its management interface is asked: the export of results, row by row, and what there is.
 *
 * Imitated: token and password, the form that is posted, refusal of unknown parameters and of SPL without a command, the
 * time window, previews before the results (also unasked, as old versions do), messages among the rows, the last row's mark;
 * the version, the account, apps, saved searches and indexes, each read by its path.
 * Not imitated: SPL itself (every search gives the events of its window, a search for `fail` an error), what a namespace
 * hides, who may read what, quotas, jobs. Event collectors have a double of their own.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { bodyOf, openWeb, type Tls, type WebServer } from '../web-server.ts'

export type SplunkWorld = {
  /** `at` in epoch milliseconds. */
  events: { at: number; row: Record<string, unknown> }[]
  authorization: string
  /** Each answers one request in place of Splunk. */
  faults: ((response: ServerResponse, rows: string[]) => void)[]
  /** What was asked: the path, and the fields of the form. */
  asked: { path: string; form: Record<string, string> }[]
  /** What is there to be read, by its path: without `/services/`, and decoded. */
  things: Record<string, object>
}

export function splunkWorld(more: Partial<SplunkWorld> = {}): SplunkWorld {
  return {
    events: [],
    authorization: 'Bearer token-1',
    faults: [],
    asked: [],
    things: thingsOf(),
    ...more,
  }
}

function thingsOf(): SplunkWorld['things'] {
  return {
    'server/info': { version: '9.4.1', product_type: 'enterprise' },
    'authentication/current-context': { username: 'cordon', capabilities: ['search'] },
  }
}

export function startSplunk(world: SplunkWorld, tls?: Tls): Promise<WebServer> {
  return openWeb((request, response) => answer(world, request, response), tls)
}

export function sayMessage(response: ServerResponse, status: number, type: string, text: string) {
  response.writeHead(status, { 'content-type': 'application/json; charset=UTF-8' })
  response.end(JSON.stringify({ messages: [{ type, text }] }))
}

const known = ['search', 'earliest_time', 'latest_time', 'output_mode', 'preview']

async function answer(
  world: SplunkWorld,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const text = await bodyOf(request)
  const path = request.url ?? ''
  const form = Object.fromEntries(new URLSearchParams(text))
  world.asked.push({ path, form })
  if (request.method === 'GET') return void tell(world, request, response)
  const wrong = wrongWith(request, path, form)
  if (wrong) return void sayMessage(response, ...wrong)
  if (request.headers.authorization !== world.authorization)
    return void sayMessage(response, 401, 'WARN', 'call not properly authenticated')
  const rows = rowsOf(world, Number(form.earliest_time), Number(form.latest_time))
  const fault = world.faults.shift()
  if (fault) return fault(response, rows)
  response.writeHead(200, { 'content-type': 'application/json; charset=UTF-8' })
  response.end(rows.map((row) => `${row}\n`).join(''))
}

/** The version is told to everybody who is let in, as are all other things. */
function tell(world: SplunkWorld, request: IncomingMessage, response: ServerResponse): void {
  if (request.headers.authorization !== world.authorization)
    return void sayMessage(response, 401, 'WARN', 'call not properly authenticated')
  const url = new URL(request.url ?? '', 'http://splunk')
  const path = decodeURIComponent(url.pathname).replace(/^\/services\//, '')
  const content = world.things[path]
  if (content === undefined || url.search !== '?output_mode=json')
    return void sayMessage(response, 404, 'ERROR', 'Not Found')
  response.writeHead(200, { 'content-type': 'application/json; charset=UTF-8' })
  response.end(JSON.stringify({ links: {}, entry: [{ name: path, content }], messages: [] }))
}

function wrongWith(
  request: IncomingMessage,
  path: string,
  form: Record<string, string>,
): [status: number, type: string, text: string] | undefined {
  if (
    request.method !== 'POST' ||
    !/^\/services(NS\/[\w.-]+\/[\w.-]+)?\/search\/v2\/jobs\/export$/.test(path)
  )
    return [404, 'ERROR', 'Not Found']
  if (request.headers['content-type'] !== 'application/x-www-form-urlencoded')
    return [415, 'ERROR', 'Unsupported Media Type']
  const stranger = Object.keys(form).find((key) => !known.includes(key))
  if (stranger) return [400, 'ERROR', `Argument "${stranger}" is not supported by this handler.`]
  if (form.output_mode !== 'json') return [400, 'ERROR', 'only JSON here']
  if (!/^(\||search )/.test(form.search ?? ''))
    return [400, 'FATAL', `Unknown search command '${form.search?.split(' ')[0]}'.`]
  return undefined
}

function rowsOf(world: SplunkWorld, earliest: number, latest: number): string[] {
  const found = world.events
    .filter(({ at }) => at >= earliest * 1_000 && at < latest * 1_000)
    .map(({ row }) => row)
  const preview = found.slice(0, 1).map((result) => ({ preview: true, offset: 0, result }))
  const rows = found.map((result, offset) => ({
    preview: false,
    offset,
    ...(offset === found.length - 1 ? { lastrow: true } : {}),
    result,
  }))
  const all = found.length > 0 ? [...preview, ...rows] : [{ preview: false, lastrow: true }]
  return all.map((row) => JSON.stringify(row))
}
