/** The text of a link by which a person answers: which question, which answer, until when, under the service's signature. */
import jwt from 'jsonwebtoken'
import { z } from 'zod'
import { algorithm, tokenType } from '#contract/envelope.ts'
import { toKeyObject } from '#contract/key.ts'
import type { SigningKeys } from './keys.ts'
import { sign } from './sign.ts'

const Claims = z.object({ sub: z.string(), answer: z.string(), jti: z.string() })

/** `secret` is what makes it one-time: only its hash is stored. `expires` in epoch milliseconds. */
export function signAnswer(
  keys: SigningKeys,
  answer: { decision: string; verb: string; secret: string; expires: number },
): string {
  return sign(keys.current(), tokenType.answer, {
    iss: keys.issuer,
    sub: answer.decision,
    answer: answer.verb,
    jti: answer.secret,
    exp: Math.floor(answer.expires / 1_000),
  })
}

/** The secret in a token that any key known here has signed; undefined for every other text. Its end is the store's to judge. */
export function readAnswer(keys: SigningKeys, token: string): string | undefined {
  for (const key of keys.published()) {
    try {
      const { header, payload } = jwt.verify(token, toKeyObject(key), {
        algorithms: [algorithm],
        issuer: keys.issuer,
        ignoreExpiration: true,
        complete: true,
      })
      const claims = Claims.safeParse(payload)
      if (header.typ === tokenType.answer && claims.success) return claims.data.jti
    } catch {
      // Another key may have signed it; a text that is no token fails with all of them.
    }
  }
  return undefined
}
