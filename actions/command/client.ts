/** The command line's way to the service: HTTP with the token from the environment, never from an argument. */
import http from 'node:http'
import https from 'node:https'
import { z } from 'zod'
import { isLoopback } from '#contract/address.ts'
import { Problem, type ProblemCode, problemStatus } from '#contract/problem.ts'
import { type Environment, readSettings } from '#contract/settings.ts'

export const clientPrefix = 'CORDON_'

/** `CORDON_TOKEN_FILE` and `CORDON_CA_FILE` name files that hold the values. */
export const ClientSettings = z.strictObject({
  url: z
    .url({ protocol: /^https?$/ })
    .default('http://127.0.0.1:8055')
    .meta({ description: 'the service that the command line talks to' }),
  token: z.string().optional().meta({ description: 'API token of the command line' }),
  ca: z.string().optional().meta({
    description: 'PEM certificate that the command line trusts, mostly as CORDON_CA_FILE',
  }),
})

export type Client = {
  /** The answer, read by the schema for printing, and as it came for `--json`. Throws the service's Problem. */
  get<Answer>(path: string, schema: z.ZodType<Answer>): Promise<Answer>
  post<Answer>(path: string, body: unknown, schema: z.ZodType<Answer>): Promise<Answer>
  /** An answer that is too long to be held, or to wait for: its text as it comes, to a POST where a body is given. Throws also while it is read, when it breaks off. */
  open(
    path: string,
    body?: unknown,
  ): Promise<{ header(name: string): string | undefined; text: AsyncIterable<string> }>
  url: string
}

const answerTimeoutMs = 60_000

export function openClient(environment: Environment): Client {
  const { url, token, ca } = readSettings(ClientSettings, clientPrefix, environment)
  const base = new URL(url)
  if (token === undefined)
    throw new Problem('unauthenticated', 'no token is set', {
      remedy: 'export CORDON_TOKEN=… (the first start shows one; "cordon token create" makes more)',
    })
  if (base.protocol === 'http:' && !isLoopback(base.hostname))
    throw new Problem('setting_invalid', `${base.origin} would carry the token in the clear`, {
      remedy: 'use https in CORDON_URL; CORDON_CA_FILE names a certificate of your own',
    })
  const call = async <Answer>(
    method: string,
    path: string,
    body: unknown,
    schema: z.ZodType<Answer>,
  ) => readAnswer(await send({ base, token, ca }, method, path, body), path, schema)
  return {
    url: base.origin,
    get: (path, schema) => call('GET', path, undefined, schema),
    post: (path, body, schema) => call('POST', path, body, schema),
    open: async (path, body) => {
      const method = body === undefined ? 'GET' : 'POST'
      const response = await request({ base, token, ca }, method, path, body)
      const status = response.statusCode ?? 500
      if (status >= 400) throw problemOf(status, parse(await readText(base, response)))
      return {
        header: (name) => [response.headers[name]].flat()[0],
        text: pieces(base, response),
      }
    },
  }
}

type To = { base: URL; token: string; ca: string | undefined }
type Answered = { status: number; text: string }

async function send(to: To, method: string, path: string, body: unknown): Promise<Answered> {
  const response = await request(to, method, path, body)
  return { status: response.statusCode ?? 500, text: await readText(to.base, response) }
}

function request(to: To, method: string, path: string, body: unknown) {
  const text = body === undefined ? undefined : JSON.stringify(body)
  const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>()
  const request = (to.base.protocol === 'https:' ? https : http).request(new URL(path, to.base), {
    method,
    timeout: answerTimeoutMs,
    headers: {
      authorization: `Bearer ${to.token}`,
      ...(text !== undefined && {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(text),
      }),
    },
    ...(to.ca !== undefined && { ca: to.ca }),
  })
  request.on('timeout', () =>
    request.destroy(new Error(`no answer in ${answerTimeoutMs / 1_000}s`)),
  )
  request.on('error', (error) => reject(unreachable(to.base, error)))
  request.on('response', resolve)
  request.end(text)
  return promise
}

async function readText(base: URL, response: http.IncomingMessage): Promise<string> {
  let text = ''
  for await (const piece of pieces(base, response)) text += piece
  return text
}

/** Whoever stops reading in the middle ends the connection. */
async function* pieces(base: URL, response: http.IncomingMessage): AsyncGenerator<string> {
  response.setEncoding('utf8')
  try {
    for await (const piece of response) yield String(piece)
  } catch (error) {
    throw unreachable(base, error instanceof Error ? error : new Error(String(error)))
  }
}

function readAnswer<Answer>(answer: Answered, path: string, schema: z.ZodType<Answer>): Answer {
  const json = parse(answer.text)
  if (answer.status >= 400) throw problemOf(answer.status, json)
  const read = schema.safeParse(json)
  if (read.success) return read.data
  throw new Problem('untrusted_service', `the answer to ${path} is not what Cordon says`, {
    remedy: 'check CORDON_URL, and that service and command line are of one version',
    cause: read.error,
  })
}

const ProblemAnswer = z.object({
  code: z.string(),
  detail: z.string(),
  remedy: z.string().optional(),
})

/** What the service said is wrong, as it was thrown there. */
export function problemOf(status: number, json: unknown): Problem {
  const read = ProblemAnswer.safeParse(json)
  if (!read.success || !isCode(read.data.code))
    return new Problem('service_unreachable', `the service answered with status ${status}`, {
      remedy: 'check CORDON_URL and what stands between here and the service',
    })
  const { code, detail, remedy } = read.data
  return new Problem(code, detail, remedy === undefined ? {} : { remedy })
}

function isCode(text: string): text is ProblemCode {
  return Object.hasOwn(problemStatus, text)
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // What is no JSON fails the schema, which says so.
    return undefined
  }
}

function unreachable(base: URL, error: Error): Problem {
  const code = 'code' in error ? String(error.code) : ''
  if (/CERT|TLS|SSL|SELF_SIGNED|UNABLE_TO|ALTNAME/.test(code))
    return new Problem('untrusted_service', `${base.host} did not prove that it is the service`, {
      remedy: "set CORDON_CA_FILE to the service's certificate (tls.crt in its data directory)",
      cause: error,
    })
  if (code === 'EPROTO')
    return new Problem('service_unreachable', `${base.host} does not speak TLS`, {
      remedy: `on loopback the service speaks plain HTTP: set CORDON_URL to http://${base.host}`,
      cause: error,
    })
  const why = silence[code] ?? error.message
  return new Problem(
    'service_unreachable',
    `cannot reach the service at ${base.origin}${why === '' ? '' : `: ${why}`}`,
    {
      remedy: isLoopback(base.hostname)
        ? 'start it with "cordon start", or set CORDON_URL to where it runs'
        : 'see whether it runs there, such as by "systemctl status cordon", and whether CORDON_URL is right',
      cause: error,
    },
  )
}

const silence: Record<string, string | undefined> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'nobody knows its name',
  EAI_AGAIN: 'the name servers of this machine do not answer',
  ETIMEDOUT: 'it does not answer',
  EHOSTUNREACH: 'there is no way to it from here',
  ENETUNREACH: 'there is no way to it from here',
}
