/** What an answer of the platform says: data in the shape that was asked for, or why there is none. */
import { z } from 'zod'
import type { HttpAnswer } from '#contract/connector.ts'
import { printable } from '#contract/printable.ts'
import { Problem, type ProblemCode } from '#contract/problem.ts'

const ErrorShape = z.looseObject({
  message: z.string(),
  name: z.string().optional(),
  extensions: z.looseObject({ code: z.string().optional() }).optional(),
})
type PlatformError = z.output<typeof ErrorShape>

const Body = z.looseObject({ data: z.unknown(), errors: z.array(ErrorShape).optional() })

/** The platform answers 200 also for errors; what stands before it does not. Throws a Problem for both. */
export function readData<T>(answer: HttpAnswer, shape: z.ZodType<T>): T {
  const body = Body.safeParse(parse(answer.body)).data
  const error = body?.errors?.[0]
  if (error) throw refused(error)
  if (answer.status !== 200) throw refusedByStatus(answer)
  if (!body) throw notOpenCti('the answer is no GraphQL')
  const read = shape.safeParse(body.data)
  if (read.success) return read.data
  const issue = read.error.issues[0]
  throw notOpenCti(`at ${issue?.path.join('.') || 'the top'}: ${issue?.message}`)
}

/** Codes of the platform (config/errors.js), and of GraphQL for a document that it does not know. */
const meanings: Readonly<Record<string, readonly [ProblemCode, string]>> = {
  AUTH_REQUIRED: ['unauthenticated', 'the token is not accepted: give one that is in force'],
  FORBIDDEN_ACCESS: [
    'forbidden',
    "put the token's user in the group Connectors (role Connector), one user a connector",
  ],
  INSUFFICIENT_CONFIDENCE_LEVEL: [
    'forbidden',
    "give the token's user or its group a maximum confidence level",
  ],
  RESOURCE_NOT_FOUND: ['not_found', 'it was deleted on the platform; nothing to do'],
  ALREADY_DELETED_ERROR: ['not_found', 'it was deleted on the platform; nothing to do'],
  MISSING_REFERENCE_ERROR: ['invalid_input', 'an object names another that is not there'],
  FUNCTIONAL_ERROR: ['invalid_input', "see the platform's log for the same moment"],
  VALIDATION_ERROR: ['invalid_input', "see the platform's log for the same moment"],
  UNSUPPORTED_ERROR: ['invalid_input', "see the platform's log for the same moment"],
  DRAFT_LOCKED: ['conflict', 'the draft was validated or closed; nothing can be added to it'],
  GRAPHQL_VALIDATION_FAILED: [
    'unsupported',
    'the platform is too old or too new: 6.9 or 7 is known',
  ],
  GRAPHQL_PARSE_FAILED: ['unsupported', 'the platform is too old or too new: 6.9 or 7 is known'],
}

function refused(error: PlatformError): Problem {
  const code = error.extensions?.code ?? error.name ?? ''
  const [meaning, remedy] = meanings[code] ?? [
    'service_unreachable',
    "it is tried again by itself; see the platform's log when it lasts",
  ]
  const said = printable(error.message, 200)
  const message = `opencti refuses: ${said}${code === '' ? '' : ` (${printable(code, 60)})`}`
  return new Problem(meaning, message, { remedy })
}

/** A page of somebody in between may hold the token, so nothing of it is repeated. */
function refusedByStatus({ status, headers }: HttpAnswer): Problem {
  const message = `opencti answered with status ${status}`
  if (status === 401)
    return new Problem('unauthenticated', message, {
      remedy: 'the token is not accepted: give one that is in force',
    })
  if (status === 403)
    return new Problem('forbidden', message, {
      remedy: "check the rights of the token's user, and what stands before the platform",
    })
  if (status === 404 || status === 410)
    return new Problem('not_found', message, {
      remedy: 'check url with its base path; a stream that was stopped answers 410',
    })
  if (status === 413)
    return new Problem('too_large', message, {
      remedy: 'raise max_payload_body_size of the platform, or of the proxy before it',
    })
  if (status === 429) {
    const seconds = Number(headers['retry-after'] ?? Number.NaN)
    return new Problem('rate_limited', message, {
      remedy: 'it is tried again by itself, later',
      retryMs: Number.isFinite(seconds) ? Math.max(0, seconds) * 1_000 : undefined,
    })
  }
  if (status >= 500)
    return new Problem('service_unreachable', message, {
      remedy: "it is tried again by itself; see the platform's log when it lasts",
    })
  return notOpenCti(`status ${status}`)
}

function notOpenCti(what: string): Problem {
  return new Problem('invalid_input', `opencti gave no answer in its own shape: ${what}`, {
    remedy: 'check url, and what stands between here and the platform (proxy, login page)',
  })
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
