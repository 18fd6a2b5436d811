/** `fetch` with an own authority, which the built-in one cannot be given: no redirects, one connection a request. */
import http, { type IncomingMessage } from 'node:http'
import https from 'node:https'
import { Readable } from 'node:stream'
import { Problem } from '#contract/problem.ts'

export type Fetch = (
  url: string | URL,
  init?: {
    method?: string
    headers?: RequestInit['headers']
    body?: unknown
    signal?: AbortSignal | null
  },
) => Promise<Response>

/** Bodies go as text. Rejects with `service_unreachable` and `untrusted_service`; no problem holds what was sent. */
export function openFetch(ca: string | undefined, verify = true): Fetch {
  return async (input, init = {}) => {
    const url = new URL(input)
    const body = typeof init.body === 'string' ? init.body : ''
    const headers = new Headers(init.headers ?? {})
    if (body !== '') headers.set('content-length', String(Buffer.byteLength(body)))
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
    const request = (url.protocol === 'https:' ? https : http).request(url, {
      method: init.method ?? 'GET',
      headers: Object.fromEntries(headers),
      agent: false,
      ...(init.signal ? { signal: init.signal } : {}),
      ...(ca === undefined ? {} : { ca }),
      ...(verify ? {} : { rejectUnauthorized: false }),
    })
    request.on('error', (error) => reject(unreachable(url, error)))
    request.on('response', resolve)
    request.end(body)
    return respond(await promise)
  }
}

function respond(message: IncomingMessage): Response {
  const status = message.statusCode ?? 0
  if (status < 200 || status > 599) {
    message.destroy()
    throw new Problem('invalid_input', `it answered with status ${status}`)
  }
  const headers = new Headers()
  for (const [name, values] of Object.entries(message.headersDistinct))
    for (const value of values ?? []) headers.append(name, value)
  if (![204, 205, 304].includes(status))
    return new Response(Readable.toWeb(message), { status, headers })
  message.resume()
  return new Response(null, { status, headers })
}

function unreachable({ host }: URL, error: Error): Problem {
  const code = 'code' in error ? String(error.code) : error.name
  if (/CERT|TLS|SSL|SELF_SIGNED|UNABLE_TO|ALTNAME/.test(code))
    return new Problem('untrusted_service', `${host} did not prove who it is: ${code}`, {
      remedy: 'give its authority in ca, mostly as a file',
    })
  const late = error.name === 'TimeoutError' || error.name === 'AbortError'
  const what = late ? `${host} did not answer in time` : `cannot reach ${host}: ${code}`
  return new Problem('service_unreachable', what, {
    remedy: 'check that it runs and that this machine may reach it',
  })
}
