/** Posts a body to a web hook: HTTPS but on loopback, no redirects, one time limit, a bounded answer, no address in a problem. */
import http, { type IncomingMessage } from 'node:http'
import https from 'node:https'
import { isLoopback } from '#contract/address.ts'
import { printable } from '#contract/printable.ts'
import { Problem } from '#contract/problem.ts'

/** Characters of an answer that are read: it only says why something was refused. */
const longestAnswer = 300
/** Nobody is kept waiting for longer by a Retry-After. */
const longestRetryMs = 24 * 3_600_000

export type Hook = {
  url: URL
  timeoutMs: number
  /** PEM of an authority that is trusted instead of the public ones. */
  ca?: string | undefined
  now(): number
}

/** Many such addresses are secrets themselves, so none is ever printed. Throws `setting_invalid`. */
export function readHookUrl(connector: string, text: string | undefined): URL {
  const name = `CORDON_${connector.toUpperCase().replaceAll('-', '_')}_URL`
  const remedy = `set url of connectors.${connector} in the settings file, ${name}, or ${name}_FILE, a file that holds it`
  if (text === undefined)
    throw new Problem('setting_invalid', `${connector} has no url to send to`, { remedy })
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol))
    throw new Problem('setting_invalid', `the url of ${connector} is no web address`, { remedy })
  if (url.protocol === 'http:' && !isLoopback(url.hostname))
    throw new Problem(
      'setting_invalid',
      `the url of ${connector} would carry notices in the clear`,
      {
        remedy: 'use https; plain http is for loopback only',
      },
    )
  return url
}

/** Resolves when the answer says that it was taken. Throws as a Publisher does. */
export async function post(
  hook: Hook,
  body: string,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<void> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(hook.timeoutMs)])
  const response = await send(hook, body, headers, limit)
  const status = response.statusCode ?? 0
  if (status >= 200 && status < 300) {
    response.destroy()
    return
  }
  const told = withoutAddress(await readStart(response), hook.url)
  throw refusal(status, printable(told.trim(), 200), retryMs(response, hook.now()))
}

function send(
  { url, ca }: Hook,
  body: string,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  const request = (url.protocol === 'https:' ? https : http).request(url, {
    method: 'POST',
    agent: false,
    signal,
    headers: {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(body),
      'user-agent': 'cordon',
      ...headers,
    },
    ...(ca !== undefined && { ca }),
  })
  request.on('error', (error) => reject(unreachable(url, error)))
  request.on('response', resolve)
  request.end(body)
  return promise
}

/** Shorter parts, such as `hooks`, are no secrets, and would be found in any text. */
const shortestSecret = 6

/** Whatever part of its address an answer repeats, as it was sent or as the other side reads it. */
function withoutAddress(text: string, { pathname, search, searchParams }: URL): string {
  const parts = [pathname, search, ...pathname.split('/'), ...search.split(/[?&=]/)]
  const read = [...searchParams.values(), ...parts.map(decoded)]
  return [...parts, ...read]
    .filter((part) => part.length >= shortestSecret)
    .sort((a, b) => b.length - a.length)
    .reduce((rest, part) => rest.replaceAll(part, '…'), text)
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}

/** As far as it came: the status has said all that matters. */
function readStart(response: IncomingMessage): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>()
  let text = ''
  response.setEncoding('utf8')
  response.on('data', (piece: string) => {
    text += piece
    if (text.length >= longestAnswer) response.destroy()
  })
  response.on('error', () => resolve(text))
  response.on('close', () => resolve(text))
  return promise
}

/** Of the 4xx only those are tried again that are not about the message. */
function refusal(status: number, told: string, retry: number | undefined): Problem {
  const message = `it answered ${status}${told === '' ? '' : `: ${told}`}`
  if (status === 429)
    return new Problem('rate_limited', message, { remedy: 'lower per_hour', retryMs: retry })
  if ([408, 409, 425].includes(status) || status >= 500 || status === 0)
    return new Problem('service_unreachable', message, {
      remedy:
        'notices are tried again by themselves; when it lasts, see whether this machine reaches it',
      retryMs: retry,
    })
  const remedy =
    status < 400
      ? 'it redirects, and redirects are not followed: set the url to where it leads'
      : status === 404 || status === 410
        ? 'the web hook is gone: make a new one and set its url'
        : 'check the url and what the receiver expects; then send the dead letter again'
  return new Problem('invalid_input', message, { remedy })
}

/** Seconds or a date (RFC 9110, 10.2.3). */
function retryMs(response: IncomingMessage, now: number): number | undefined {
  const text = response.headers['retry-after']
  if (text === undefined) return undefined
  const ms = /^\d+$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - now
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(0, ms), longestRetryMs)
}

function unreachable(url: URL, error: Error): Problem {
  const code = 'code' in error ? String(error.code) : ''
  const timedOut = error.name === 'TimeoutError' || error.name === 'AbortError'
  if (/CERT|TLS|SSL|SELF_SIGNED|UNABLE_TO|ALTNAME/.test(code))
    return new Problem('untrusted_service', `${url.host} did not prove who it is: ${code}`, {
      remedy: 'give its authority in ca, mostly as a file',
    })
  return new Problem(
    'service_unreachable',
    timedOut ? `${url.host} did not answer in time` : `cannot reach ${url.host}: ${code}`,
    { remedy: 'check that it runs and that this machine may reach it' },
  )
}
