/** Kibana's API in a space: JSON in and out, each refusal a Problem with what to do about it. No problem holds what was sent. */
import { printable } from '#contract/printable.ts'
import { Problem } from '#contract/problem.ts'
import { type Fetch, openFetch } from '../../open-fetch.ts'
import { isObject, textAt } from '../../read-path.ts'
import { readText } from '../../read-text.ts'
import { authorityOf, checkAddress } from '../connect.ts'
import type { Settings } from '../settings.ts'

export type Kibana = {
  /** Throws a Problem: `invalid_input` for what Kibana refuses as wrong, `not_found`, or what is worth another try. */
  ask(call: Call, signal: AbortSignal): Promise<unknown>
}
type Call = {
  space: string
  method: 'GET' | 'POST'
  /** From `/api/` on. */
  path: string
  body?: unknown
  /** What a person gives the key when Kibana does not allow it. */
  right: string
}

/** Of the public API, of all versions since 8.8. */
const apiVersion = '2023-10-31'
/** A search names 5,000 alerts with a few fields each; what is larger is no answer to what is asked here. */
const asked = { who: 'kibana', address: 'kibana of elastic', mostBytes: 33_554_432 }

/** The address. Throws `setting_invalid` for what would send the key in the clear, or for a missing key. */
export function checkKibana(settings: Settings): string {
  const { kibana } = settings
  if (kibana === undefined)
    throw new Problem('setting_invalid', 'elastic has no address of kibana', {
      remedy: 'set CORDON_ELASTIC_KIBANA',
    })
  checkAddress(kibana, settings)
  authorizationOf(settings)
  return kibana
}

/** Throws as `checkKibana` does, and when Kibana does not prove who it is. */
export async function openKibana(settings: Settings): Promise<Kibana> {
  const { timeout, ...trust } = settings
  const base = checkKibana(settings)
  const headers = {
    authorization: authorizationOf(settings),
    'kbn-xsrf': 'cordon',
    'elastic-api-version': apiVersion,
    'user-agent': 'cordon',
    accept: 'application/json',
  }
  // An own authority of Kibana stands in place of that of Elasticsearch, in whichever of the two forms.
  const own = trust.kibana_ca !== undefined || trust.kibana_ca_fingerprint !== undefined
  const ca = own ? trust.kibana_ca : trust.ca
  const fingerprint = own ? trust.kibana_ca_fingerprint : trust.ca_fingerprint
  const fetch = openFetch(await authorityOf([base], { ca, fingerprint, timeoutMs: timeout }))
  return {
    ask: async (call, signal) => {
      const { space, method, path, body } = call
      const within = space === 'default' ? '' : `/s/${space}`
      const limit = AbortSignal.any([signal, AbortSignal.timeout(timeout)])
      const response = await fetch(`${base.replace(/\/+$/, '')}${within}${path}`, {
        method,
        signal: limit,
        headers: body === undefined ? headers : { ...headers, 'content-type': 'application/json' },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      return readAnswer(call, response)
    },
  }
}

function authorizationOf({ kibana_api_key, api_key, user, password }: Settings): string {
  const key = kibana_api_key ?? api_key
  if (key !== undefined) return `ApiKey ${key}`
  if (user !== undefined && password !== undefined)
    return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
  throw new Problem('setting_invalid', 'elastic needs an API key for kibana', {
    remedy: 'set CORDON_ELASTIC_KIBANA_API_KEY_FILE, or CORDON_ELASTIC_API_KEY_FILE',
  })
}

async function readAnswer(call: Call, response: Awaited<ReturnType<Fetch>>): Promise<unknown> {
  const { status } = response
  const body = parse(await readText(response, asked))
  if (status === 200 && body !== undefined) return body
  // A page in front of Kibana answers as well; what it says is not repeated.
  const said = printable(textAt(body, 'message') ?? '', 200)
  throw refusal(call, status, said === '' ? '' : `: ${said}`, response.headers.get('retry-after'))
}

/** An object or a list. */
function parse(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text)
    return isObject(value) || Array.isArray(value) ? value : undefined
  } catch {
    return undefined
  }
}

function refusal(
  { space, path, right }: Call,
  status: number,
  said: string,
  retryAfter: string | null,
): Problem {
  if (status === 400)
    return new Problem('invalid_input', `kibana refuses a request to ${path}${said}`, {
      remedy: 'check that kibana is of version 8.8 or later, and see its log',
    })
  if (status === 401)
    return new Problem('unauthenticated', 'kibana refuses the key or the password', {
      remedy:
        'check kibana_api_key of elastic: it may have expired, or been made for another cluster',
    })
  if (status === 403)
    return new Problem('forbidden', `kibana does not allow this in space ${space}${said}`, {
      remedy: `give the key ${right} in space ${space}`,
    })
  if (status === 404)
    return new Problem('not_found', `kibana knows no ${path} in space ${space}`, {
      remedy: 'check kibana of elastic: its base path too, and that Security is on in this space',
    })
  if (status === 429)
    return new Problem('rate_limited', 'kibana has too much to do', {
      remedy: 'it is tried again by itself; when it lasts see the load of kibana',
      retryMs: retryMs(retryAfter),
    })
  if (status >= 500 || status === 408 || status === 409)
    return new Problem('service_unreachable', `kibana answered ${status}${said}`, {
      remedy: 'it is tried again by itself; when it lasts see the log of kibana',
      retryMs: retryMs(retryAfter),
    })
  return new Problem('service_unreachable', `who answers with ${status} is not kibana`, {
    remedy: 'check kibana of elastic: the address and base path that a browser uses, no redirects',
  })
}

function retryMs(text: string | null): number | undefined {
  return text !== null && /^\d{1,6}$/.test(text) ? Number(text) * 1_000 : undefined
}
