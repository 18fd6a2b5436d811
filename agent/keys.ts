/** The service's signing keys that a node trusts, and how it learns of a new one. */
import { createPublicKey, type KeyObject } from 'node:crypto'
import { type KeysClaims, type PublicKey, thumbprint } from '#contract/key.ts'
import { type Trust, verifyKeys } from './verify.ts'

/** `announced`: epoch seconds of the newest announcement taken, so that no older one is taken again. */
export type TrustedKeys = { issuer: string; keys: PublicKey[]; announced: number }

/** Parsed once: parsing at each statement would cost more than the check of the signature. */
export function trustOf(trusted: Pick<TrustedKeys, 'issuer' | 'keys'>): Trust {
  const keys = new Map<string, KeyObject>()
  for (const key of trusted.keys) {
    const { kty, crv, x, y } = key
    keys.set(thumbprint(key), createPublicKey({ key: { kty, crv, x, y }, format: 'jwk' }))
  }
  return { issuer: trusted.issuer, keys }
}

/**
 * What is trusted after these announcements, in whatever order they come: each must be signed by a key that is
 * trusted by then. The newest set replaces the older, so a retired key is trusted no longer.
 */
export function takeAnnouncements(
  trusted: TrustedKeys,
  announcements: readonly string[],
): TrustedKeys {
  let now = trusted
  for (let taken = true; taken; ) {
    const next = oldestNew(now, announcements)
    taken = next !== undefined
    if (next) now = { ...now, keys: next.keys, announced: next.iat }
  }
  return now
}

function oldestNew(trusted: TrustedKeys, announcements: readonly string[]): KeysClaims | undefined {
  const trust = trustOf(trusted)
  return announcements
    .flatMap((jws) => {
      try {
        return [verifyKeys(jws, trust)]
      } catch {
        // Signed by a key that is not trusted (yet): not for this node, or its turn comes later.
        return []
      }
    })
    .filter((claims) => claims.iat > trusted.announced)
    .sort((a, b) => a.iat - b.iat)[0]
}
