/** Opens the connection to the live stream; whatever is no stream is a problem that says what to do. */
import { Problem } from '#contract/problem.ts'
import type { Client } from '../opencti/client/client.ts'
import type { Place } from './place.ts'

export type Connected = { body: ReadableStream<Uint8Array>; close(): void }

/** Without a place the stream begins now. The signal also ends the stream. */
export async function connect(
  client: Client,
  streamId: string,
  place: Place | undefined,
  waitMs: number,
  stop: AbortSignal,
): Promise<Connected> {
  const cut = new AbortController()
  const late = setTimeout(() => cut.abort(new DOMException('', 'TimeoutError')), waitMs)
  try {
    const answer = await client.fetch(streamUrl(client.base, streamId, place), {
      headers: {
        ...client.headers,
        accept: 'text/event-stream',
        'cache-control': 'no-cache',
        'listen-delete': 'true',
        'no-dependencies': 'true',
        'with-inferences': 'false',
        ...(place && { 'last-event-id': place.id }),
      },
      signal: AbortSignal.any([cut.signal, stop]),
    })
    const type = answer.headers.get('content-type') ?? ''
    if (answer.status === 200 && answer.body && /^text\/event-stream\b/i.test(type))
      return { body: answer.body, close: () => cut.abort() }
    cut.abort()
    throw refused(answer.status, answer.headers.get('retry-after'), type)
  } finally {
    clearTimeout(late)
  }
}

/** The platform takes `recover` only together with a start. */
function streamUrl(base: string, streamId: string, place: Place | undefined): URL {
  const url = new URL(`${base}/stream/${streamId}`)
  if (place?.recover !== undefined) url.searchParams.set('recover', place.recover)
  return url
}

/** A page of somebody in between may hold the token, so nothing of it is repeated. */
function refused(status: number, retryAfter: string | null, type: string): Problem {
  const message = `the live stream answered with status ${status}`
  if (status === 401)
    return new Problem('unauthenticated', message, {
      remedy:
        'check the token, the id of the stream, its members and markings, and the right TAXIIAPI of the user',
    })
  if (status === 403)
    return new Problem('forbidden', message, {
      remedy: "check the rights of the token's user, and what stands before the platform",
    })
  if (status === 404)
    return new Problem('not_found', message, { remedy: 'check url with its base path' })
  if (status === 410)
    return new Problem('not_found', `${message}: it was stopped`, {
      remedy: 'start the live stream in the platform (Data sharing); it is tried again by itself',
    })
  if (status === 429)
    return new Problem('rate_limited', message, {
      remedy: 'it is tried again by itself, later',
      retryMs: readRetry(retryAfter),
    })
  if (status >= 500)
    return new Problem('service_unreachable', message, {
      remedy: "it is tried again by itself; see the platform's log when it lasts",
    })
  return new Problem('invalid_input', `${message} and ${type.slice(0, 60) || 'no type'}`, {
    remedy: 'check url, and what stands between here and the platform (proxy, login page)',
  })
}

/** Seconds, or a date. */
function readRetry(text: string | null): number | undefined {
  if (text === null) return undefined
  const ms = /^\d+$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - Date.now()
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined
}
