/** What providers of intelligence answer alike: a refused key, a spent quota, and pages that are no answer. */
import type { z } from 'zod'
import { maybeAddress } from '#contract/address.ts'
import type { HttpAnswer, Quota } from '#contract/connector.ts'
import { printable } from '#contract/printable.ts'
import { Problem } from '#contract/problem.ts'

const dayMs = 86_400_000

/**
 * The body in the vendor's shape. Throws `invalid_input` for anything else. What was got is never repeated: a page of
 * somebody in between may hold the key that was sent.
 */
export function readBody<T>(provider: string, answer: HttpAnswer, shape: z.ZodType<T>): T {
  const read = shape.safeParse(parse(answer.body))
  if (read.success) return read.data
  const issue = read.error.issues[0]
  const at = issue?.path.join('.') || 'the top'
  throw notTheShape(provider, `status ${answer.status}, at ${at}: ${issue?.message}`)
}

/** Undefined for a body of another shape: for looking at errors. */
export function maybeBody<T>(answer: HttpAnswer, shape: z.ZodType<T>): T | undefined {
  return shape.safeParse(parse(answer.body)).data
}

/** Throws unless the answer is about the address that was asked for: a cache in between may mix them up. */
export function mustBeAbout(provider: string, told: string, asked: string): void {
  if (maybeAddress(told)?.text !== asked)
    throw notTheShape(provider, 'it is about another address than was asked for')
}

/** What any status but those with an answer says. `refused` is the vendor's word on an address that it cannot look up. */
export function refusal(provider: string, answer: HttpAnswer, refused?: string): Problem {
  const { status } = answer
  if (status === 401 || status === 403)
    return new Problem(
      status === 401 ? 'unauthenticated' : 'forbidden',
      `${provider} refuses the key (status ${status})`,
      { remedy: `check api_key of ${provider}: it may be revoked, or not allow this question` },
    )
  if (status === 429)
    return new Problem('rate_limited', `${provider} says that the quota is used up`, {
      remedy: 'wait until it is filled again, or get a larger one from the vendor',
    })
  if (refused !== undefined)
    return new Problem('unsupported', `${provider} refuses the address: ${printable(refused, 150)}`)
  if (status >= 500)
    return new Problem('service_unreachable', `${provider} answered with status ${status}`, {
      remedy: 'it is asked again by itself; see the status page of the vendor when it lasts',
    })
  return notTheShape(provider, `status ${status}`)
}

/**
 * `Retry-After` (seconds or a date), else `X-RateLimit-Remaining` with `-Reset` (epoch seconds). A spent quota without
 * a time ends with the day in UTC where `untilMidnight`, and is not told of otherwise.
 */
export function readQuota(
  { status, headers }: HttpAnswer,
  now: number,
  untilMidnight: boolean,
): Quota | undefined {
  const reset = wholeNumber(headers['x-ratelimit-reset'])
  const after = retryAfter(headers['retry-after'], now)
  const remaining = wholeNumber(headers['x-ratelimit-remaining'])
  const left = status === 429 ? 0 : remaining
  if (left === undefined) return undefined
  const until =
    after ??
    (reset === undefined ? undefined : reset * 1_000) ??
    (untilMidnight ? (Math.floor(now / dayMs) + 1) * dayMs : undefined)
  if (until === undefined) return left > 0 ? { left, until: now } : undefined
  return { left, until }
}

function retryAfter(text: string | undefined, now: number): number | undefined {
  const seconds = wholeNumber(text)
  if (seconds !== undefined) return now + seconds * 1_000
  // RFC 9110 dates; Date.parse alone takes nearly anything for a date.
  const date = /^[A-Z][a-z]{2}, \d/.test(text ?? '') ? Date.parse(text ?? '') : Number.NaN
  return Number.isNaN(date) ? undefined : date
}

function wholeNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,12}$/.test(text.trim()) ? Number(text) : undefined
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function notTheShape(provider: string, what: string): Problem {
  return new Problem('invalid_input', `${provider} gave no answer in its own shape: ${what}`, {
    remedy: 'check base_url, and what stands between here and the vendor (proxy, captive portal)',
  })
}
