/** Who posts a job to us: the platform's workers, by our own token (6.9) or by a short one that the platform signs (7). */
import { createHash, createPublicKey, type KeyObject, timingSafeEqual, verify } from 'node:crypto'
import { z } from 'zod'

/** Clocks differ. */
const leewayS = 60

const Jwks = z.object({
  keys: z.array(
    z.looseObject({
      kty: z.literal('OKP'),
      crv: z.literal('Ed25519'),
      x: z.string(),
      kid: z.string(),
    }),
  ),
})

/** Keys by their id. Empty for a platform that signs nothing. */
export function readKeys(jwks: string | null | undefined): ReadonlyMap<string, KeyObject> {
  const read = Jwks.safeParse(parse(jwks ?? ''))
  return new Map(
    (read.data?.keys ?? []).map(({ kid, kty, crv, x }) => [
      kid,
      createPublicKey({ key: { kty, crv, x }, format: 'jwk' }),
    ]),
  )
}

export type Standing = 'known' | 'unknown' | 'other key'

/** A platform that signs is not believed without: our own token would then prove nothing. */
export function callerOf(
  authorization: string | undefined,
  token: string,
  keys: ReadonlyMap<string, KeyObject>,
  now: number,
): Standing {
  const bearer = /^Bearer (\S+)$/.exec(authorization ?? '')?.[1]
  if (bearer === undefined) return 'unknown'
  if (keys.size === 0) return isSame(bearer, token) ? 'known' : 'unknown'
  const [head = '', body = '', signature = '', ...more] = bearer.split('.')
  const header = z.looseObject({ alg: z.literal('EdDSA'), kid: z.string() }).safeParse(decode(head))
  if (!header.success || more.length > 0) return 'unknown'
  const key = keys.get(header.data.kid)
  if (!key) return 'other key'
  const signed = Buffer.from(signature, 'base64url')
  if (!verify(null, Buffer.from(`${head}.${body}`), key, signed)) return 'unknown'
  const claims = z.looseObject({ exp: z.number() }).safeParse(decode(body))
  return claims.success && claims.data.exp + leewayS > now / 1_000 ? 'known' : 'unknown'
}

function isSame(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(a), digest(b))
}

function decode(part: string): unknown {
  return parse(Buffer.from(part, 'base64url').toString('utf8'))
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
