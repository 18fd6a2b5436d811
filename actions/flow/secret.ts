/** API tokens and one-time secrets: made here, shown once, kept as hashes. */
import { hash } from 'node:crypto'
import { base32 } from '#contract/id.ts'
import type { Scope, Token } from '../store/tokens.ts'

export type Randomness = (bytes: number) => Uint8Array

/** What looks like a token in a log or a paste can be found and revoked by its prefix. */
const prefix = 'cordon_'

/** The secret for its owner, and the record for the store. 160 bits: guessing is hopeless, so the hash needs no salt. */
export function makeToken(
  random: Randomness,
  now: number,
  wanted: { name: string; scopes: Scope[]; lifeMs?: number | undefined },
): { secret: string; token: Token } {
  const secret = prefix + base32(random(20))
  const token = {
    id: `t-${base32(random(5))}`,
    secret: hashSecret(secret),
    name: wanted.name,
    scopes: wanted.scopes,
    created: now,
    expires: wanted.lifeMs === undefined ? null : now + wanted.lifeMs,
    revoked: null,
  }
  return { secret, token }
}

export function makeSecret(random: Randomness): string {
  return base32(random(25))
}

/** Looking a hash up tells an attacker nothing by its timing: he does not choose the hash. */
export function hashSecret(secret: string): string {
  return hash('sha256', secret, 'hex')
}
