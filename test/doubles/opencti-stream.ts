/**
 * The live stream of an OpenCTI platform for tests: a real HTTP server that speaks server-sent events, and breaks on demand.
 *
 * Imitated: bearer token, 401 for an unknown stream, 410 once it is stopped, start from Last-Event-ID, `recover` with its
 * replay of the database (and 500 without a start), `connected`, heartbeats, a trimmed history, CRLF, frames cut anywhere,
 * connections that are cut, ended or left silent, the one GraphQL question by which held objects are compared, and those by
 * which somebody asks who he is and what this is.
 * Not imitated: the stream's own filter, rights and markings, the options listen-delete, no-dependencies and
 * with-inferences (they are only recorded), heartbeats by themselves, back-pressure on the platform's side.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { openWeb } from '../web-server.ts'

export const streamId = 'e6f7a8b9-c0d1-4e2f-8a3b-4c5d6e7f8091'
export const token = 'stream-token'

export type Sent = { id?: string; event: string; data: unknown }
export type Stix = { id: string; type: string; [key: string]: unknown }

export type StreamDouble = {
  url: string
  requests: { url: URL; headers: IncomingMessage['headers'] }[]
  /** Of the token's user. */
  capabilities: string[]
  /** The filters of each GraphQL question about objects. */
  asked: unknown[]
  /** What the stream keeps, oldest first. */
  history: Sent[]
  /** The oldest id that is kept when it is not that of the history. */
  first: string | undefined
  /** What recovery replays and what is listed; `updated` is epoch milliseconds. */
  database: { updated: number; object: Stix }[]
  /** Answers of the next connections, instead of the stream. */
  refusals: { status: number; headers?: Record<string, string>; body?: string }[]
  stopped: boolean
  crlf: boolean
  /** So many bytes in one write; without it each frame in one. */
  cutAt: number | undefined
  /** Adds to the history and sends to everybody connected. */
  send(sent: Sent): void
  /** Sends this text as it is to everybody connected. */
  raw(text: string): void
  /** Ends all connections as the platform does when the stream is stopped. */
  end(): void
  /** Cuts all connections. */
  cut(): void
  /** Resolves once so many connections were opened. */
  opened(count: number): Promise<void>
  close(): Promise<void>
}

export async function openStreamDouble(): Promise<StreamDouble> {
  const open = new Set<ServerResponse>()
  const waiting: { count: number; done: () => void }[] = []
  let connections = 0
  const web = await openWeb((request, response) => {
    const url = new URL(request.url ?? '', 'http://localhost')
    if (url.pathname.endsWith('/graphql')) void answerQuestion(double, request, response)
    else if (serve(double, url, request, response)) {
      open.add(response)
      response.on('close', () => open.delete(response))
      connections++
      for (const { count, done } of waiting) if (connections >= count) done()
    }
  })
  const write = (text: string) => {
    for (const response of open) put(double, response, text)
  }
  const double: StreamDouble = {
    url: `${web.url}/base`,
    requests: [],
    capabilities: ['TAXIIAPI'],
    asked: [],
    history: [],
    first: undefined,
    database: [],
    refusals: [],
    stopped: false,
    crlf: false,
    cutAt: undefined,
    send: (sent) => {
      if (sent.id !== undefined && sent.event !== 'heartbeat') double.history.push(sent)
      write(frame(sent))
    },
    raw: write,
    end: () => {
      for (const response of open) response.end()
    },
    cut: () => {
      for (const response of open) response.destroy()
    },
    opened: (count) =>
      new Promise((done) => {
        if (connections >= count) done()
        else waiting.push({ count, done })
      }),
    close: web.close,
  }
  return double
}

export function frame({ id, event, data }: Sent): string {
  const start = id === undefined ? '' : `id: ${id}\n`
  return `${start}event: ${event}\ndata: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`
}

/** False when it answers with anything but the stream. */
function serve(
  double: StreamDouble,
  url: URL,
  { headers }: IncomingMessage,
  response: ServerResponse,
): boolean {
  double.requests.push({ url, headers })
  const refusal = double.refusals.shift() ?? refuse(double, url, headers)
  if (refusal) {
    response.writeHead(refusal.status, { 'content-type': 'text/html', ...refusal.headers })
    response.end(refusal.body ?? 'no')
    return false
  }
  response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' })
  const start = startOf(url, headers)
  const ids = double.history.flatMap(({ id }) => id ?? [])
  const first = double.first ?? ids[0] ?? '1772359200000-0'
  const last = ids.at(-1) ?? first
  put(
    double,
    response,
    frame({
      event: 'connected',
      data: { firstEventId: first, lastEventId: last, streamSize: ids.length },
    }),
  )
  if (start === undefined) return true
  const recover = Date.parse(url.searchParams.get('recover') ?? '')
  const from = Number.isNaN(recover) || recover <= ms(start) ? start : `${recover}-0`
  if (from !== start) replay(double, response, ms(start), recover)
  for (const sent of double.history)
    if (sent.id !== undefined && after(sent.id, from) && !after(first, sent.id))
      put(double, response, frame(sent))
  return true
}

function refuse(
  { stopped }: StreamDouble,
  url: URL,
  headers: IncomingMessage['headers'],
): StreamDouble['refusals'][number] | undefined {
  if (headers.authorization !== `Bearer ${token}`) return { status: 401 }
  if (!url.pathname.endsWith(`/stream/${streamId}`)) return { status: 401 }
  if (stopped) return { status: 410 }
  const recovers = url.searchParams.has('recover')
  return recovers && startOf(url, headers) === undefined ? { status: 500 } : undefined
}

function startOf(url: URL, headers: IncomingMessage['headers']): string | undefined {
  const last = headers['last-event-id']
  return url.searchParams.get('from') ?? (typeof last === 'string' ? last : undefined)
}

/** The database as it is now, not as it was: deletions are not replayed. */
function replay(
  double: StreamDouble,
  response: ServerResponse,
  since: number,
  until: number,
): void {
  for (const { updated, object } of double.database)
    if (updated > since && updated <= until)
      put(
        double,
        response,
        frame({
          id: `${updated}-0`,
          event: 'create',
          data: { version: '4', type: 'create', origin: { referer: 'init-create' }, data: object },
        }),
      )
}

function put({ crlf, cutAt }: StreamDouble, response: ServerResponse, text: string): void {
  const bytes = Buffer.from(crlf ? text.replaceAll('\n', '\r\n') : text)
  const size = cutAt ?? bytes.length
  for (let i = 0; i < bytes.length; i += size) response.write(bytes.subarray(i, i + size))
}

async function answerQuestion(
  double: StreamDouble,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  let text = ''
  for await (const chunk of request.setEncoding('utf8')) text += chunk
  const { query, variables } = JSON.parse(text)
  response.writeHead(200, { 'content-type': 'application/json' })
  if (!variables.filters) {
    const known = request.headers.authorization === `Bearer ${token}`
    return void response.end(JSON.stringify(known ? aboutItself(double, query) : strangers))
  }
  double.asked.push(variables.filters)
  const wanted: string[] = variables.filters.filters[0].values
  const edges = double.database
    .filter(({ object }) => idsOf(object).some((id) => wanted.includes(id)))
    .map(({ object }) => ({ node: { standard_id: object.id, toStix: JSON.stringify(object) } }))
  response.end(JSON.stringify({ data: { stixCoreObjects: { edges } } }))
}

/** Who asks, and which platform this is. */
function aboutItself({ capabilities }: StreamDouble, query: string): object {
  const me = { name: 'Cordon', capabilities: capabilities.map((name) => ({ name })) }
  const probe = { about: { version: '6.9.17' }, input: null, connector: null }
  return { data: query.includes('CordonMe') ? { me } : probe }
}

const strangers = {
  data: null,
  errors: [{ message: 'You must be logged in.', extensions: { code: 'AUTH_REQUIRED' } }],
}

function idsOf(object: Stix): string[] {
  const { stix_ids: earlier } =
    (object.extensions as Record<string, { stix_ids?: string[] }>)?.[extension] ?? {}
  return [object.id, ...(earlier ?? [])]
}

export const extension = 'extension-definition--ea279b3e-5c71-4632-ac08-831c66a786ba'

const ms = (id: string) => Number(id.split('-')[0])
const after = (a: string, b: string) =>
  ms(a) !== ms(b) ? ms(a) > ms(b) : Number(a.split('-')[1]) > Number(b.split('-')[1])
