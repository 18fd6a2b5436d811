/** Which failures pass or are mended by somebody, so that it is worth to try again. */
import { type Problem, type ProblemCode, toProblem } from '#contract/problem.ts'

const passing: readonly ProblemCode[] = [
  'service_unreachable',
  'untrusted_service',
  'rate_limited',
  'overloaded',
  'unauthenticated',
  'token_expired',
  'forbidden',
  'store_unavailable',
]

/** What would fail for ever; throws what may go better another time. */
export function unlessPassing(error: unknown): Problem {
  const problem = toProblem(error)
  if (passing.includes(problem.code)) throw problem
  return problem
}
