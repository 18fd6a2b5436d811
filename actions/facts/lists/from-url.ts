/** A list on a web server: asked with what it said the last time, bounded in time and size. */
import { isLoopback } from '#contract/address.ts'
import { Problem, toProblem } from '#contract/problem.ts'
import { type Marks, type Obtained, tooLarge, writeText } from './obtain.ts'
import { isAllowedUrl } from './settings.ts'

export type Fetch = typeof globalThis.fetch

const redirectLimit = 5
const longestPauseMs = 86_400_000

export type Request = {
  fetch: Fetch
  /** Epoch ms, for a server that says until when it wants to be left alone. */
  now: () => number
  signal: AbortSignal
  /** For all of it, from the name to the last byte. */
  timeoutMs: number
  maxBytes: number
  /** Where the text goes. */
  path: string
}

/** Throws `service_unreachable` (with the pause that the server asked for) or `too_large`. */
export async function fromUrl(url: string, known: Marks, request: Request): Promise<Obtained> {
  const signal = AbortSignal.any([request.signal, AbortSignal.timeout(request.timeoutMs)])
  try {
    const answer = await follow(url, known, { ...request, signal })
    if (answer.status === 304 && isKnown(known)) {
      await answer.body?.cancel()
      return { changed: false }
    }
    if (answer.status !== 200 || !answer.body) throw await refusedBy(answer, request.now())
    if (Number(answer.headers.get('content-length')) > request.maxBytes) {
      await answer.body.cancel()
      throw tooLarge(request.maxBytes)
    }
    const digest = await writeText(answer.body, request.path, request.maxBytes)
    return { changed: true, path: request.path, digest, marks: marksOf(answer) }
  } catch (error) {
    const problem = toProblem(error)
    if (problem.code !== 'internal') throw problem
    throw silent(
      url,
      signal.aborted
        ? `did not send all of it within ${request.timeoutMs / 1_000} s`
        : 'was not reached, or broke off',
      error,
    )
  }
}

/** Redirects are followed by hand: none leads from a web server to this machine, or to where a text can be changed. */
async function follow(url: string, known: Marks, { fetch, signal }: Request): Promise<Response> {
  const headers = {
    accept: 'text/plain, application/json, text/csv, */*;q=0.5',
    'user-agent': 'cordon',
    ...(known.etag !== undefined && { 'if-none-match': known.etag }),
    ...(known.modified !== undefined && { 'if-modified-since': known.modified }),
  }
  let at = new URL(url)
  for (let redirects = 0; redirects <= redirectLimit; redirects++) {
    const answer = await fetch(at, { headers, redirect: 'manual', signal })
    const location = answer.headers.get('location')
    if (answer.status < 300 || answer.status > 399 || location === null) return answer
    await answer.body?.cancel()
    const to = URL.parse(location, at)
    if (!to || !isAllowedUrl(to.href) || (isLoopback(to.hostname) && !isLoopback(at.hostname)))
      throw silent(url, 'sends to an address that is not asked')
    at = to
  }
  throw silent(url, `sends to another address more than ${redirectLimit} times`)
}

function isKnown({ etag, modified }: Marks): boolean {
  return etag !== undefined || modified !== undefined
}

function marksOf({ headers }: Response): Marks {
  const [etag, modified] = [headers.get('etag'), headers.get('last-modified')]
  return { ...(etag !== null && { etag }), ...(modified !== null && { modified }) }
}

async function refusedBy(answer: Response, now: number): Promise<Problem> {
  await answer.body?.cancel()
  const wait = answer.headers.get('retry-after')
  const pause = wait === null ? Number.NaN : pauseOf(wait, now)
  return new Problem('service_unreachable', `the server of the list answers ${answer.status}`, {
    remedy: 'open the address in a browser; the last good copy stays in force meanwhile',
    ...(pause > 0 && { retryMs: Math.min(pause, longestPauseMs) }),
  })
}

/** Seconds or a date (RFC 9110). */
function pauseOf(text: string, now: number): number {
  return /^\d+$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - now
}

function silent(url: string, why: string, cause?: unknown): Problem {
  return new Problem('service_unreachable', `${new URL(url).host} ${why}`, {
    remedy: 'the last good copy stays in force; the list is asked for again by itself',
    ...(cause !== undefined && { cause: rootOf(cause) }),
  })
}

/** What fetch throws says only that it failed; why stands below. */
function rootOf(error: unknown): unknown {
  return error instanceof Error && error.cause instanceof Error ? error.cause : error
}
