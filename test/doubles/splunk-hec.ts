/**
 * An event collector of Splunk for tests: events, acknowledgements, health.
 *
 * Imitated: the order of its checks and their codes (1 to 7, 10 to 15, 17, 18, 413), events that are concatenated and end
 * anywhere, what of a batch was accepted before a bad event, channels of their own with numbers of their own, an
 * acknowledgement that is told once, late or never, and one for a token that has none.
 * Not imitated: indexing itself, raw events, tokens in the query (16), several collectors behind a balancer, channels that
 * are forgotten, time limits, gzip, what a real one does with keys that it does not know (here they are refused).
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { bodyOf, openWeb, type Tls, type WebServer } from '../web-server.ts'

export type HecEvent = Record<string, unknown>
export type HecWorld = {
  token: string
  disabled: boolean
  acknowledgement: boolean
  /** Those that the token may write to. */
  indexes: string[]
  /** Bytes of one request. */
  most: number
  /** How often the indexers are asked before they have it. */
  asks: number
  /** Whether what was accepted before a bad event gets a number. */
  numbersRefused: boolean
  unwell: boolean
  /** Each answers one request in place of the collector, which may have taken the events all the same. */
  faults: ((response: ServerResponse, take: () => void) => void)[]
  /** What was accepted, in order, also twice. */
  taken: HecEvent[]
  requests: { path: string; channel: string; body: string }[]
  channels: Map<string, Map<number, number>>
}

export function hecWorld(more: Partial<HecWorld> = {}): HecWorld {
  return {
    token: 'a1b2c3d4-0000-4000-8000-000000000001',
    disabled: false,
    acknowledgement: true,
    indexes: ['soc'],
    most: 1_000_000,
    asks: 1,
    numbersRefused: false,
    unwell: false,
    faults: [],
    taken: [],
    requests: [],
    channels: new Map(),
    ...more,
  }
}

export function startHec(world: HecWorld, tls?: Tls): Promise<WebServer> {
  return openWeb((request, response) => answer(world, request, response), tls)
}

export type Said = [status: number, code: number, text: string, more?: object]

export function sayHec(response: ServerResponse, [status, code, text, more = {}]: Said): void {
  response.writeHead(status, { 'content-type': 'application/json; charset=UTF-8' })
  response.end(JSON.stringify({ text, code, ...more }))
}

async function answer(world: HecWorld, request: IncomingMessage, response: ServerResponse) {
  const body = await bodyOf(request)
  const path = request.url ?? ''
  const channel = String(request.headers['x-splunk-request-channel'] ?? '')
  world.requests.push({ path, channel, body })
  if (path === '/services/collector/health' && request.method === 'GET')
    return sayHec(
      response,
      world.unwell ? [503, 18, 'HEC is unhealthy, queues are full'] : [200, 17, 'HEC is healthy'],
    )
  if (request.method !== 'POST' || !/^\/services\/collector\/(event|ack)$/.test(path))
    return sayHec(response, [404, 404, 'The requested URL was not found on this server.'])
  const stopped = letIn(world, request.headers.authorization) ?? badChannel(world, channel)
  if (stopped) return sayHec(response, stopped)
  const work = () => (path.endsWith('ack') ? ask(world, channel, body) : take(world, channel, body))
  const fault = world.faults.shift()
  if (fault) return fault(response, () => void work())
  const said = work()
  if ('acks' in said) return void response.end(JSON.stringify(said))
  sayHec(response, said)
}

function letIn(world: HecWorld, authorization: string | undefined): Said | undefined {
  if (authorization === undefined) return [401, 2, 'Token is required']
  const token = /^Splunk (\S+)$/.exec(authorization)?.[1]
  if (token === undefined) return [401, 3, 'Invalid authorization']
  if (token !== world.token) return [403, 4, 'Invalid token']
  return world.disabled ? [403, 1, 'Token disabled'] : undefined
}

function badChannel(world: HecWorld, channel: string): Said | undefined {
  if (!world.acknowledgement) return undefined
  if (channel === '') return [400, 10, 'Data channel is missing']
  const guid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i
  return guid.test(channel) ? undefined : [400, 11, 'Invalid data channel']
}

function take(world: HecWorld, channel: string, body: string): Said {
  if (Buffer.byteLength(body) > world.most) return [413, 27, 'Request entity too large']
  if (body === '') return [400, 5, 'No data']
  const texts = split(body)
  for (const [index, text] of texts.entries()) {
    const bad = wrongWith(world, text)
    if (bad) {
      const ack = world.numbersRefused && index > 0 ? number(world, channel) : {}
      return [bad[0], bad[1], bad[2], { 'invalid-event-number': index, ...ack }]
    }
    world.taken.push(JSON.parse(text))
  }
  return [200, 0, 'Success', number(world, channel)]
}

function number(world: HecWorld, channel: string): { ackId?: number } {
  if (!world.acknowledgement) return {}
  const acks = world.channels.get(channel) ?? new Map<number, number>()
  world.channels.set(channel, acks)
  const ackId = acks.size
  acks.set(ackId, world.asks)
  return { ackId }
}

function ask(world: HecWorld, channel: string, body: string): Said | { acks: object } {
  if (!world.acknowledgement) return [400, 14, 'ACK is disabled']
  const { acks }: { acks: number[] } = JSON.parse(body)
  const own = world.channels.get(channel)
  const said = acks.map((ack) => {
    const left = (own?.get(ack) ?? Number.POSITIVE_INFINITY) - 1
    // Below zero it was told before, and is forgotten.
    if (own?.has(ack)) own.set(ack, left)
    return [String(ack), left === 0] as const
  })
  return { acks: Object.fromEntries(said) }
}

const known = ['time', 'host', 'source', 'sourcetype', 'index', 'event', 'fields']

function wrongWith(world: HecWorld, text: string): [number, number, string] | undefined {
  const event = objectIn(text)
  if (event === undefined || Object.keys(event).some((key) => !known.includes(key)))
    return [400, 6, 'Invalid data format']
  if (!('event' in event)) return [400, 12, 'Event field is required']
  if (event.event === '' || event.event === null) return [400, 13, 'Event field cannot be blank']
  if (typeof event.time !== 'number' || !(event.time > 0 && event.time < 1e11))
    return [400, 6, 'Invalid data format']
  const fields = Object.values(event.fields ?? {})
  if (fields.some((value) => typeof value !== 'string' || value === ''))
    return [400, 15, 'Error in handling indexed fields']
  if (typeof event.index === 'string' && !world.indexes.includes(event.index))
    return [400, 7, 'Incorrect index']
  return undefined
}

function objectIn(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? { ...value }
      : undefined
  } catch {
    return undefined
  }
}

/** Objects one after the other, whatever stands between them. */
function split(body: string): string[] {
  const texts: string[] = []
  let [depth, from, quoted] = [0, 0, false]
  for (let at = 0; at < body.length; at++) {
    const c = body[at]
    if (quoted) {
      if (c === '\\') at++
      else if (c === '"') quoted = false
    } else if (c === '"') quoted = true
    else if (c === '{' && depth++ === 0) from = at
    else if (c === '}' && --depth === 0) texts.push(body.slice(from, at + 1))
  }
  return texts.length > 0 && depth === 0 ? texts : [body]
}
