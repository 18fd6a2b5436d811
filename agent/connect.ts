/** The only way from the agent to the network: HTTP to one service whose key was pinned at enrolment. */
import { lookup } from 'node:dns/promises'
import type { Agent, IncomingMessage } from 'node:http'
import type { z } from 'zod'
import { isLoopback, maybeAddress } from '#contract/address.ts'
import { Problem, type ProblemCode, problemStatus } from '#contract/problem.ts'
import { untrusted } from './untrusted.ts'

/** An import would bring undici and HTTP/2 along: 4 to 7 MB that nothing here uses. */
const http = process.getBuiltinModule('node:http')

export type ConnectTo = {
  url: string
  /** Hex SHA-256 of the certificate's public key. Absent: plain HTTP on loopback, or the system's authorities. */
  tls?: string | undefined
  /** The bearer token; absent at enrolment. */
  token?: () => string
  /** Where the service answered from, and what time it says it is (ms, whole seconds) when it was the service itself. */
  heard?: (address: string | undefined, date: number | undefined) => void
  /** How long a whole answer may take, by its path. */
  withinMs?: (path: string) => number
}

export type Ask = { body?: unknown; headers?: Record<string, string>; signal?: AbortSignal }

/** Every method throws `service_unreachable`, `untrusted_service`, or the Problem that the service answered. */
export type Service = {
  /** The answer's JSON. */
  ask(method: 'GET' | 'POST', path: string, more?: Ask): Promise<unknown>
  /** The answer's text. */
  text(path: string): Promise<string>
  /** The body as it comes, until it ends or the signal aborts. Silence is the caller's to judge. */
  stream(path: string, more: Ask): Promise<IncomingMessage>
  close(): void
}

/** Silence. An answer that only trickles is ended by the deadline for the whole of it. */
const answerTimeoutMs = 15_000
const wholeAnswerMs = (path: string) => (path.startsWith('/v1/snapshot/') ? 120_000 : 60_000)
/** A chunk of 5,000 blocks is below 2 MB; nothing that a service answers is larger than this. */
const largestAnswer = 16 * 1024 * 1024

/** Throws `untrusted_service` for plain HTTP to anything but loopback. */
export function connect(to: ConnectTo): Service {
  const base = new URL(to.url)
  if (base.protocol === 'http:' && !isLoopback(base.hostname))
    throw untrusted(`${base.origin} is plain HTTP, which is for loopback only`)
  let agent: Agent | undefined

  async function send(method: string, path: string, more: Ask): Promise<IncomingMessage> {
    try {
      agent ??= await makeAgent(base, to.tls)
      return await open(agent, method, path, more)
    } catch (error) {
      const problem = asProblem(error, base)
      // A renewed certificate has the same key: it is fetched and compared anew at the next attempt.
      if (problem.code === 'untrusted_service') forget()
      throw problem
    }
  }

  function open(by: Agent, method: string, path: string, more: Ask): Promise<IncomingMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
    const body = more.body === undefined ? undefined : JSON.stringify(more.body)
    // By TLS, if the agent that keeps the connections does.
    const request = http.request(new URL(path, base), {
      agent: by,
      method,
      headers: headers(body, more),
      timeout: answerTimeoutMs,
      ...(more.signal ? { signal: more.signal } : {}),
    })
    request.on('timeout', () =>
      request.destroy(new Error(`no answer in ${answerTimeoutMs / 1_000} s`)),
    )
    request.on('error', reject)
    request.on('response', (answer) => {
      hear(answer)
      resolve(answer)
    })
    request.end(body)
    return promise
  }

  function headers(body: string | undefined, more: Ask): Record<string, string> {
    return {
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(to.token ? { authorization: `Bearer ${to.token()}` } : {}),
      ...more.headers,
    }
  }

  function hear(answer: IncomingMessage): void {
    const date = isOwnAnswer(answer) ? Date.parse(answer.headers.date ?? '') : Number.NaN
    to.heard?.(answer.socket.remoteAddress, Number.isNaN(date) ? undefined : date)
  }

  function forget(): void {
    agent?.destroy()
    agent = undefined
  }

  async function text(method: string, path: string, more: Ask): Promise<string> {
    const { signal, end } = deadline((to.withinMs ?? wholeAnswerMs)(path), more.signal)
    try {
      return await textUntil(method, path, { ...more, signal })
    } catch (error) {
      // What the connection says of its own end is not why it was ended.
      throw signal.aborted ? asProblem(signal.reason, base) : error
    } finally {
      end()
    }
  }

  /** Why there is no stream: nobody else watches how long that takes. */
  async function readSoon(answer: IncomingMessage, path: string): Promise<string> {
    const { signal, end } = deadline((to.withinMs ?? wholeAnswerMs)(path))
    signal.addEventListener('abort', () => answer.destroy(signal.reason))
    try {
      return await readBody(answer)
    } catch (error) {
      throw asProblem(error, base)
    } finally {
      end()
    }
  }

  async function textUntil(method: string, path: string, more: Ask): Promise<string> {
    const answer = await send(method, path, more)
    const body = await readBody(answer).catch((error: unknown) => {
      throw asProblem(error, base)
    })
    const { statusCode = 500 } = answer
    // A redirection leads away from the service that was pinned: nobody took what was said.
    if (statusCode < 200 || statusCode >= 300) throw answeredProblem(statusCode, body)
    return body
  }

  return {
    ask: async (method, path, more = {}) => readJson(await text(method, path, more), path),
    text: (path) => text('GET', path, {}),
    stream: async (path, more) => {
      const answer = await send('GET', path, more)
      const status = answer.statusCode ?? 500
      if (status !== 200) throw answeredProblem(status, await readSoon(answer, path))
      // The stream is silent between heads; the follower knows how long that may last.
      answer.socket.setTimeout(0)
      return answer
    },
    close: forget,
  }
}

/** What a proxy answers in the service's place (a 502, a page of its own) tells nothing of the service's clock. */
function isOwnAnswer({ statusCode = 500, headers }: IncomingMessage): boolean {
  if (statusCode >= 200 && statusCode < 300) return true
  const type = headers['content-type']?.split(';')[0]?.trim().toLowerCase()
  return statusCode >= 400 && statusCode < 500 && type === 'application/problem+json'
}

function deadline(ms: number, other?: AbortSignal): { signal: AbortSignal; end: () => void } {
  const over = new AbortController()
  const late = () => over.abort(new Error(`the answer was not complete after ${ms / 1_000} s`))
  const timer = setTimeout(late, ms).unref()
  const signal = other ? AbortSignal.any([over.signal, other]) : over.signal
  return { signal, end: () => clearTimeout(timer) }
}

/** Every address that the name in this URL leads to; none when it names an address. Throws what the resolver says. */
export async function resolveHost(url: string): Promise<string[]> {
  const host = new URL(url).hostname.replace(/^\[|\]$/g, '')
  if (maybeAddress(host)) return []
  return (await lookup(host, { all: true })).map(({ address }) => address)
}

async function makeAgent(base: URL, pin: string | undefined): Promise<Agent> {
  const kept = { keepAlive: true, maxSockets: 4 }
  if (base.protocol === 'http:') return new http.Agent(kept)
  // Loaded only now: an agent beside its service needs no TLS.
  const { secureAgent } = await import('./pin.ts')
  return secureAgent(base, pin, kept)
}

async function readBody(answer: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = []
  let size = 0
  for await (const piece of answer) {
    if (!Buffer.isBuffer(piece)) continue
    size += piece.length
    if (size > largestAnswer) throw new Error(`the answer is longer than ${largestAnswer} bytes`)
    pieces.push(piece)
  }
  return Buffer.concat(pieces).toString('utf8')
}

/** The answer in the shape that was promised. Throws `untrusted_service`. */
export function readAnswer<Shape>(schema: z.ZodType<Shape>, answer: unknown, path: string): Shape {
  const read = schema.safeParse(answer)
  if (read.success) return read.data
  throw new Problem(
    'untrusted_service',
    `the answer to ${path} is not what a Cordon service says`,
    {
      remedy: 'check the URL, and that agent and service are of versions that fit',
      cause: read.error,
    },
  )
}

function readJson(body: string, path: string): unknown {
  if (body === '') return undefined
  try {
    return JSON.parse(body)
  } catch (error) {
    throw new Problem('untrusted_service', `the answer to ${path} is no JSON`, {
      remedy: 'check that the URL of the service is right and what stands between',
      cause: error,
    })
  }
}

/** The service's own Problem, or what stands between here and there. */
function answeredProblem(status: number, body: string): Problem {
  const said = problemIn(body)
  if (said) return said
  if (status === problemStatus.too_large)
    return new Problem('too_large', 'what stands between takes no request as large as this one', {
      remedy: 'let the relay in front of the service take requests of 4 MB',
    })
  return new Problem('service_unreachable', `the service answered with status ${status}`, {
    remedy: 'look at the service and at what stands between',
  })
}

function problemIn(body: string): Problem | undefined {
  try {
    const { code, detail, remedy } = JSON.parse(body)
    if (typeof code !== 'string' || !isCode(code) || typeof detail !== 'string') return undefined
    return new Problem(code, detail, typeof remedy === 'string' ? { remedy } : {})
  } catch {
    return undefined
  }
}

function isCode(text: string): text is ProblemCode {
  return Object.hasOwn(problemStatus, text)
}

function asProblem(error: unknown, base: URL): Problem {
  if (error instanceof Problem) return error
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  if (/CERT|TLS|SSL|SELF_SIGNED|UNABLE_TO_VERIFY/.test(code))
    return untrusted(`${base.host} did not prove that it is the service`, error)
  return new Problem('service_unreachable', `cannot reach the service at ${base.origin}`, {
    remedy: 'check that it runs and that this node can reach it; blocks here go on meanwhile',
    cause: error,
  })
}
