/** Why a statement that the service may have signed is not taken, and what a person can do about it. Pure. */
import { Problem, type ProblemCode } from '#contract/problem.ts'
import { clockSlackMs } from './clock.ts'

export function refused(code: ProblemCode, message: string, cause?: unknown): Problem {
  return new Problem(code, message, { remedy: remedies[code] ?? untrusted, cause })
}

export function refuseStranger(audience: string, audiences: ReadonlySet<string>): void {
  if (!audiences.has(audience))
    throw refused('envelope_audience', `meant for ${audience}, which this node does not follow`)
}

export function refuseStale(claims: { iat: number; exp: number }, now: number): void {
  if (claims.exp * 1_000 <= now)
    throw refused('envelope_expired', 'it was to be accepted only until an earlier time')
  if (claims.iat * 1_000 > now + clockSlackMs)
    throw refused('envelope_expired', "it was signed in the future of the service's clock")
}

const again = 'the node asks for the whole state by itself; nothing is to be done'
const untrusted =
  'look at what stands between node and service; if the service was set up anew, enrol the node again'
const remedies: Partial<Record<ProblemCode, string>> = {
  envelope_gap: again,
  envelope_fork: again,
  envelope_epoch: again,
  envelope_expired: again,
  envelope_replayed: 'a repeat is dropped; nothing is to be done',
}
