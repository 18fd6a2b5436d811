/**
 * First hello of a node. The one-time token carries what the first contact is checked against: the service's
 * signing key and, over TLS, its certificate's key.
 */
import { z } from 'zod'
import { NodeName } from './audience.ts'
import { KeySet, PublicKey } from './key.ts'
import { Problem } from './problem.ts'

const prefix = 'cordon_enrol_'

export const EnrolmentToken = z.strictObject({
  url: z.url({ protocol: /^https?$/ }),
  issuer: z.string(),
  /** RFC 7638 thumbprint of the key that signs now. */
  key: z.string(),
  /** Hex SHA-256 of the TLS certificate's public key (SPKI, DER); absent for plain HTTP on loopback. */
  tls: z.string().optional(),
  secret: z.string().min(32),
  /** Epoch seconds. */
  exp: z.int(),
})
export type EnrolmentToken = z.infer<typeof EnrolmentToken>

export function printEnrolmentToken(token: EnrolmentToken): string {
  return prefix + Buffer.from(JSON.stringify(token)).toString('base64url')
}

/** Throws `invalid_input`; whether it has ended is for the caller's clock. */
export function readEnrolmentToken(text: string): EnrolmentToken {
  try {
    if (!text.startsWith(prefix)) throw new Error(`it does not begin with ${prefix}`)
    return EnrolmentToken.parse(
      JSON.parse(Buffer.from(text.slice(prefix.length), 'base64url').toString()),
    )
  } catch (error) {
    throw new Problem('invalid_input', 'this is no whole enrolment token', {
      remedy: 'make a new one with "cordon node enrol" and paste all of it',
      cause: error,
    })
  }
}

export const EnrolmentRequest = z
  .strictObject({ secret: z.string().min(32), name: NodeName, key: PublicKey })
  .meta({ id: 'EnrolmentRequest' })
export type EnrolmentRequest = z.infer<typeof EnrolmentRequest>

export const EnrolmentAnswer = z
  .strictObject({ node: NodeName, groups: z.array(NodeName), issuer: z.string(), keys: KeySet })
  .meta({ id: 'EnrolmentAnswer' })
export type EnrolmentAnswer = z.infer<typeof EnrolmentAnswer>

/** Claims of the bearer token that a node makes for itself; `aud` is the service's issuer name. */
export const NodeTokenClaims = z.strictObject({
  iss: NodeName,
  aud: z.string(),
  iat: z.int(),
  exp: z.int(),
  jti: z.string(),
})

/** Seconds that such a token may live. */
export const nodeTokenLife = 60
