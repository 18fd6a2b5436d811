/** What answers is not the service that this node belongs to, or cannot be told from another. */
import { Problem } from '#contract/problem.ts'

export function untrusted(message: string, cause?: unknown): Problem {
  return new Problem('untrusted_service', message, {
    remedy:
      'if the service got a new certificate key, enrol this node again; if not, somebody stands between',
    cause,
  })
}
