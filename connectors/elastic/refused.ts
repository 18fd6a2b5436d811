/** What the vendor's client throws, as a Problem with what to do about it. No problem holds what was sent. */
import { printable } from '#contract/printable.ts'
import { Problem } from '#contract/problem.ts'
import { isObject, textAt } from '../read-path.ts'

type Trouble = {
  name: string
  status: number | undefined
  type: string
  reason: string
  retryMs?: number
}

/** What a person has to do when it is not allowed, or not there. */
export type Hints = { verb: string; forbidden: string; unknown: string }

const reading: Hints = {
  verb: 'read',
  forbidden: 'give the key read and view_index_metadata on .alerts-security.alerts-*',
  unknown: 'check spaces of elastic; the alerts of a space exist from its first detection rule on',
}

/** `conflict` is the one code that is not for people: the point in time is gone and another one is opened. */
export function refused(what: string, error: unknown, hints: Hints = reading): Problem {
  const trouble = readTrouble(error)
  const { status, type } = trouble
  if (status === undefined) return unheard(trouble)
  if (type === 'search_context_missing_exception')
    return new Problem('conflict', 'the point in time is gone', { remedy: 'open another one' })
  if (status === 401)
    return new Problem('unauthenticated', 'elasticsearch refuses the key or the password', {
      remedy: 'check api_key of elastic: it may have expired, or been made for another cluster',
    })
  if (status === 403)
    return new Problem('forbidden', `elasticsearch does not allow to ${hints.verb} ${what}`, {
      remedy: hints.forbidden,
    })
  if (status === 404)
    return new Problem('not_found', `elasticsearch knows no ${what}`, { remedy: hints.unknown })
  if (status === 413)
    return new Problem('too_large', 'elasticsearch takes no body of this size', {
      remedy: 'raise http.max_content_length, or the limit of the proxy in front of it',
    })
  if (status === 429)
    return new Problem('rate_limited', `elasticsearch has too much to do${said(trouble)}`, {
      remedy: 'it is asked again by itself; when it lasts ask less often (every, page)',
      retryMs: trouble.retryMs,
    })
  const message = `elasticsearch answered ${status}${said(trouble)}`
  return status >= 500 || status === 408
    ? new Problem('service_unreachable', message, {
        remedy: 'see the health of the cluster; it is asked again by itself',
      })
    : new Problem('invalid_input', message, {
        remedy: 'check nodes of elastic, and that the cluster is of version 8 or 9',
      })
}

/** No answer at all, or not one of Elasticsearch. */
function unheard({ name, reason }: Trouble): Problem {
  if (name === 'ProductNotSupportedError' || name === 'DeserializationError')
    return new Problem('invalid_input', 'who answers is not Elasticsearch', {
      remedy: 'check nodes of elastic (the address of Elasticsearch, not of Kibana), and proxies',
    })
  if (name === 'TimeoutError')
    return new Problem('service_unreachable', 'elasticsearch did not answer in time', {
      remedy: 'see the health of the cluster, or set a longer timeout',
    })
  if (/cert|fingerprint|self.signed|tls|ssl|altname/i.test(reason))
    return new Problem('untrusted_service', 'elasticsearch did not prove who it is', {
      remedy: 'give its authority in ca, mostly as a file, or its ca_fingerprint',
      cause: reason,
    })
  const why = reason === '' ? '' : `: ${reason}`
  return new Problem('service_unreachable', `cannot reach elasticsearch${why}`, {
    remedy: 'check nodes of elastic, that it runs, and that this machine may reach it',
  })
}

/** What Elasticsearch calls the first cause; empty for what is no answer of its. */
export function typeOfTrouble(error: unknown): string {
  return readTrouble(error).type
}

/** Whether it is that this version does not know the parameter: nothing was done then. */
export function isUnknown(parameter: string, error: unknown): boolean {
  const { status, reason } = readTrouble(error)
  return status === 400 && reason.includes(`unrecognized parameter: [${parameter}]`)
}

function readTrouble(error: unknown): Trouble {
  const name = error instanceof Error ? error.name : ''
  const meta = isObject(error) && isObject(error.meta) ? error.meta : {}
  const body = isObject(meta.body) ? meta.body : {}
  const status =
    name === 'ResponseError' && typeof meta.statusCode === 'number' ? meta.statusCode : undefined
  const seconds = Number(textAt(meta.headers, 'retry-after') ?? Number.NaN)
  return {
    name,
    status,
    type: typeOf(body),
    reason:
      status === undefined && error instanceof Error
        ? printable(error.message, 200)
        : (textAt(body, 'error.reason') ?? ''),
    ...(Number.isFinite(seconds) ? { retryMs: seconds * 1_000 } : {}),
  }
}

/** A search that failed on every shard tells why only in the first cause. */
function typeOf(body: unknown): string {
  const types = ['error.root_cause.type', 'error.caused_by.type', 'error.type']
    .map((path) => textAt(body, path))
    .filter((type) => type !== undefined)
  return types.find((type) => type === 'search_context_missing_exception') ?? types[0] ?? ''
}

function said({ type, reason }: Trouble): string {
  const text = [type, reason].filter((part) => part !== '').join(': ')
  return text === '' ? '' : `, ${printable(text, 200)}`
}
