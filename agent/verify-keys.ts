/** Whether a key set is announced under a key that is trusted, and in its time. Pure, given the keys. */
import { tokenType } from '#contract/envelope.ts'
import { KeysClaims } from '#contract/key.ts'
import { Problem } from '#contract/problem.ts'
import { latestMs } from '#contract/time.ts'
import { clockSlackMs } from './clock.ts'
import { readStatement, type Trust } from './signature.ts'

/** A key set under a trusted key's signature. It does not age: the order of `iat` tells which is newest. */
export function verifyKeys(jws: string, trust: Trust): KeysClaims {
  return readStatement(jws, tokenType.keys, KeysClaims, trust)
}

/** Throws `envelope_expired`: no later key set could replace one from the future before its time has come. */
export function refuseEarlyKeys({ iat }: KeysClaims, now: number): void {
  if (iat * 1_000 > now + clockSlackMs) throw early(iat)
}

function early(iat: number): Problem {
  const at = new Date(Math.min(iat * 1_000, latestMs)).toISOString()
  return new Problem(
    'envelope_expired',
    `a key announcement is dated ${at}, in the future of the service's clock`,
    {
      remedy:
        'set the clock of the service right; if it never was wrong, look at its journal: somebody may have signed with a stolen key',
    },
  )
}
