/** Signs the service's statements. The text that comes out is what is stored, sent and hashed. */
import type { KeyObject } from 'node:crypto'
import jwt from 'jsonwebtoken'
import { algorithm, type TokenType } from '#contract/envelope.ts'

/** About 20 µs; the key is a KeyObject because parsing PEM text at each call costs three times the signature. */
export function sign(
  key: { kid: string; privateKey: KeyObject },
  typ: TokenType,
  claims: object,
): string {
  return jwt.sign(claims, key.privateKey, {
    algorithm,
    keyid: key.kid,
    header: { alg: algorithm, typ },
  })
}
