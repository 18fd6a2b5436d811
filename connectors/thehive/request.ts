/** One request to TheHive: HTTPS but on loopback, one time limit, a bounded answer, and what its refusals mean. */
import { z } from 'zod'
import { isLoopback } from '#contract/address.ts'
import { printable } from '#contract/printable.ts'
import { Problem } from '#contract/problem.ts'
import { openFetch } from '../open-fetch.ts'
import { readText } from '../read-text.ts'
import type { Settings } from './settings.ts'

/** Larger answers are no answers to what is asked here. */
const asked = { who: 'thehive', address: 'url', mostBytes: 16_777_216 }

export type Request = (
  method: 'GET' | 'POST' | 'PATCH',
  path: string,
  body: object | undefined,
  stop: AbortSignal,
) => Promise<unknown>

/**
 * Throws `setting_invalid`. Each request throws `unauthenticated`, `forbidden`, `not_found`, `invalid_input` for what TheHive
 * refuses for good, and `rate_limited`, `service_unreachable` or `untrusted_service` for what may be tried again.
 */
export function openRequest(settings: Settings): Request {
  const base = readUrl(settings)
  const key = settings.api_key
  if (key === undefined)
    throw new Problem('setting_invalid', 'thehive has no API key', {
      remedy:
        "make one in TheHive for an account of Cordon's own; give CORDON_THEHIVE_API_KEY_FILE",
    })
  const fetch = openFetch(settings.ca)
  return async (method, path, body, stop) => {
    const answer = await fetch(`${base}/api/v1/${path}`, {
      method,
      headers: {
        accept: 'application/json',
        authorization: `Bearer ${key}`,
        'user-agent': 'cordon',
        ...(settings.organisation !== undefined && { 'x-organisation': settings.organisation }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      body: body === undefined ? '' : JSON.stringify(body),
      signal: AbortSignal.any([stop, AbortSignal.timeout(settings.timeout)]),
    })
    const text = await readText(answer, asked)
    if (answer.status >= 200 && answer.status < 300) return parse(text)
    throw refusal(answer, text.replaceAll(key, '…'))
  }
}

/** Without a slash at the end. Throws `setting_invalid` for what is missing or would send the key in the clear. */
export function readUrl({ url, allow_http }: Pick<Settings, 'url' | 'allow_http'>): string {
  if (url === undefined)
    throw new Problem('setting_invalid', 'thehive has no url', {
      remedy: 'set CORDON_THEHIVE_URL, or url in its section',
    })
  const { protocol, hostname, username, search, hash } = new URL(url)
  if (username !== '' || search !== '' || hash !== '')
    throw new Problem('setting_invalid', 'the url of thehive has a user, a query or a fragment', {
      remedy: 'leave those out',
    })
  if (protocol !== 'https:' && !isLoopback(hostname) && !allow_http)
    throw new Problem('setting_invalid', 'the url of thehive would send the key in the clear', {
      remedy: 'use https, or set CORDON_THEHIVE_ALLOW_HTTP=true where nobody else is on the wire',
    })
  return url.replace(/\/+$/, '')
}

/** Undefined for an empty body, as after a change. */
function parse(text: string): unknown {
  if (text.trim() === '') return undefined
  try {
    return JSON.parse(text)
  } catch (error) {
    throw notTheHive(error)
  }
}

export function notTheHive(cause: unknown): Problem {
  return new Problem('service_unreachable', 'what answers at the url of thehive is not TheHive 5', {
    remedy: 'check url, its version, and what stands in between (proxy, login page)',
    cause,
  })
}

const Said = z.object({ type: z.string().optional(), message: z.string() })

function refusal(answer: Response, text: string): Problem {
  const { status } = answer
  const said = Said.safeParse(maybeJson(text)).data
  const told = said ? `: ${printable(`${said.type ?? ''} ${said.message}`.trim(), 200)}` : ''
  const message = `thehive answered ${status}${told}`
  if (status === 401)
    return new Problem('unauthenticated', message, {
      remedy: 'give the API key of an account that is not locked',
    })
  if (status === 403)
    return new Problem('forbidden', message, {
      remedy:
        'give the account a profile with manageAlert/create, manageAlert/update and manageComment in this organisation',
    })
  if (status === 404)
    return new Problem('not_found', message, { remedy: 'check url and organisation of thehive' })
  if (status === 429 || status === 408 || status >= 500)
    return new Problem(status === 429 ? 'rate_limited' : 'service_unreachable', message, {
      remedy: 'it is tried again by itself; when it lasts, see the log of TheHive',
      retryMs: retryMs(answer.headers.get('retry-after')),
    })
  return new Problem('invalid_input', message, {
    remedy: 'check url and the version of TheHive, which must be 5.0 or later',
  })
}

function maybeJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // A page of somebody in between; the status has to do.
    return undefined
  }
}

function retryMs(text: string | null): number | undefined {
  return text !== null && /^\d{1,5}$/.test(text) ? Number(text) * 1_000 : undefined
}
