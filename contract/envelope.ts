/**
 * The exact signed bytes of a batch of actions: a compact JWS whose text is stored, sent and hashed as it is.
 * Signer and verifier share this file and nothing else; `test/contract/vectors/` binds both.
 */
import { hash } from 'node:crypto'
import { z } from 'zod'
import { Audience } from './audience.ts'

export const algorithm = 'ES256'

/** JWT `typ`: one for each kind of statement, so that none can be passed off as another. */
export const tokenType = {
  actions: 'cordon-actions+jwt',
  snapshot: 'cordon-snapshot+jwt',
  head: 'cordon-head+jwt',
  feeds: 'cordon-feeds+jwt',
  posture: 'cordon-posture+jwt',
  keys: 'cordon-keys+jwt',
  node: 'cordon-node+jwt',
  answer: 'cordon-answer+jwt',
} as const
export type TokenType = (typeof tokenType)[keyof typeof tokenType]

/** One signature covers at most this many actions. */
export const maxActions = 1_000

/** How long after signing an envelope may be accepted live; a node that was away longer asks for the state. */
export const envelopeLifeSeconds = 24 * 3_600

/** `prev` of the first envelope of an audience. */
export const noPrevious = ''

const Seconds = z.int().nonnegative()

export const EnvelopeClaims = z.strictObject({
  iss: z.string(),
  aud: Audience,
  iat: Seconds,
  exp: Seconds,
  jti: z.string(),
  epoch: z.int().min(1),
  /** Counts up by one for each envelope of this audience within an epoch, from 1. */
  seq: z.int().min(1),
  /** envelopeHash of the envelope before this one. */
  prev: z.string(),
  /** Read one by one with readAction, so that one unknown action does not stop the sequence. */
  actions: z.array(z.unknown()).min(1).max(maxActions),
})
export type EnvelopeClaims = z.infer<typeof EnvelopeClaims>

/** What the service says of an audience every 15 s, so that a relay which withholds an envelope is noticed. */
export const HeadClaims = z.strictObject({
  iss: z.string(),
  aud: Audience,
  iat: Seconds,
  exp: Seconds,
  epoch: z.int().min(1),
  seq: z.int().nonnegative(),
  head: z.string(),
})
export type HeadClaims = z.infer<typeof HeadClaims>

/** base64url of SHA-256 over the compact JWS text. */
export function envelopeHash(jws: string): string {
  return hash('sha256', jws, 'base64url')
}
