/** Public keys by name: the service's signing keys as a JWKS, and a node's own key. */
import { createHash, createPublicKey, type KeyObject } from 'node:crypto'
import { z } from 'zod'

/** P-256 public key (RFC 7517, 7518). `kid` is the RFC 7638 thumbprint. */
export const PublicKey = z
  .strictObject({
    kty: z.literal('EC'),
    crv: z.literal('P-256'),
    x: z.string().length(43),
    y: z.string().length(43),
    kid: z.string().optional(),
    alg: z.literal('ES256').optional(),
    use: z.literal('sig').optional(),
  })
  .meta({ id: 'PublicKey' })
export type PublicKey = z.infer<typeof PublicKey>

export const KeySet = z.strictObject({ keys: z.array(PublicKey).min(1) })
export type KeySet = z.infer<typeof KeySet>

/** A key set under the signature of a key that is already trusted: how a node learns of a new one. */
export const KeysClaims = z.strictObject({
  iss: z.string(),
  iat: z.int().nonnegative(),
  keys: z.array(PublicKey).min(1),
})
export type KeysClaims = z.infer<typeof KeysClaims>

/** RFC 7638, SHA-256, base64url. */
export function thumbprint(key: PublicKey): string {
  const canonical = JSON.stringify({ crv: key.crv, kty: key.kty, x: key.x, y: key.y })
  return createHash('sha256').update(canonical).digest('base64url')
}

/** Parsed once and kept: parsing costs more than verifying. */
export function toKeyObject({ kty, crv, x, y }: PublicKey): KeyObject {
  return createPublicKey({ key: { kty, crv, x, y }, format: 'jwk' })
}
