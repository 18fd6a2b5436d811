/** The one error of Cordon: a code from a closed list, what happened, what to do about it, and why. */

/** Every code with the HTTP status that carries it. Code branches on these, never on a message. */
export const problemStatus = {
  malformed_json: 400,
  invalid_input: 400,
  address_invalid: 400,
  setting_invalid: 400,
  setting_unknown: 400,
  policy_invalid: 400,
  posture_invalid: 400,
  usage: 400,
  unauthenticated: 401,
  token_expired: 401,
  forbidden: 403,
  node_revoked: 403,
  not_found: 404,
  conflict: 409,
  token_used: 409,
  ahead_of_service: 409,
  protected_target: 409,
  cut_off: 409,
  too_large: 413,
  too_wide: 422,
  too_old: 422,
  unsupported: 422,
  ceiling_reached: 422,
  rate_limited: 429,
  internal: 500,
  store_unavailable: 503,
  overloaded: 503,
  service_unreachable: 503,
  untrusted_service: 502,
  host_unreachable: 503,
  host_untrusted: 502,
  envelope_malformed: 422,
  envelope_algorithm: 422,
  envelope_key_unknown: 422,
  envelope_signature: 422,
  envelope_issuer: 422,
  envelope_audience: 422,
  envelope_expired: 422,
  envelope_replayed: 422,
  envelope_gap: 422,
  envelope_fork: 422,
  envelope_epoch: 422,
  snapshot_incomplete: 422,
  firewall_missing: 500,
  no_privilege: 500,
  kernel_refused: 500,
} as const

export type ProblemCode = keyof typeof problemStatus

/** The body of an `application/problem+json` answer (RFC 9457 members, then ours). */
export type ProblemBody = {
  type: string
  title: string
  status: number
  detail: string
  code: ProblemCode
  remedy?: string
  cause?: string
  /** Always false: playbook engines look at the body, not at the HTTP status. */
  success: false
}

/**
 * Messages are lower case without a full stop and say what was expected and what was got.
 * `remedy` is the next thing a person can do. `cause` is kept for the log, its text for the answer.
 */
export class Problem extends Error {
  override readonly name = 'Problem'
  readonly code: ProblemCode
  readonly remedy: string | undefined
  /** The other side asked for so long a pause before the next try. */
  readonly retryMs: number | undefined

  constructor(
    code: ProblemCode,
    message: string,
    more: { remedy?: string; cause?: unknown; retryMs?: number | undefined } = {},
  ) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause })
    this.code = code
    this.remedy = more.remedy
    this.retryMs = more.retryMs
  }

  get status(): number {
    return problemStatus[this.code]
  }

  toJSON(): ProblemBody {
    return {
      type: `urn:cordon:problem:${this.code}`,
      title: this.code.replaceAll('_', ' '),
      status: this.status,
      detail: this.message,
      code: this.code,
      ...(this.remedy === undefined ? {} : { remedy: this.remedy }),
      ...(this.cause === undefined ? {} : { cause: causeText(this.cause) }),
      success: false,
    }
  }
}

/** Whatever was thrown, as a Problem; a stranger becomes `internal` and keeps its text as the cause. */
export function toProblem(error: unknown): Problem {
  if (error instanceof Problem) return error
  return new Problem('internal', 'something failed that should not', {
    remedy: 'look at the log of this part for the cause, and report it',
    cause: error,
  })
}

/** Longer words are no typing errors, and a stranger could keep the service busy with comparing them. */
const longestWord = 100

/** The closest of the known words, for "did you mean"; undefined when nothing is near. */
export function nearest(word: string, known: Iterable<string>): string | undefined {
  if (word.length > longestWord) return undefined
  const ranked = [...known]
    .map((candidate) => ({ candidate, distance: editDistance(word, candidate) }))
    .sort((a, b) => a.distance - b.distance)
  const best = ranked[0]
  return best && best.distance <= Math.max(2, word.length / 3) ? best.candidate : undefined
}

function causeText(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    for (let column = 1; column <= b.length; column++) {
      const swap = (previous[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1)
      current.push(Math.min(swap, (previous[column] ?? 0) + 1, (current[column - 1] ?? 0) + 1))
    }
    previous = current
  }
  return previous[b.length] ?? 0
}
