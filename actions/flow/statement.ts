/** Signs statements of which the newest counts for its audience: lists that are enforced as a whole, and standing rules. */
import { envelopeLifeSeconds, type TokenType } from '#contract/envelope.ts'
import type { SigningKeys } from './keys.ts'
import { sign } from './sign.ts'

type Frame = { iss: string; aud: string; iat: number; exp: number; version: number }
type Told = { audience: string; version: number }

/** A statement is signed anew after this time, so that whoever gets it has long to accept it. */
const signedForMs = 3_600_000

/** Signs a version once, and again when the signature is old or the key is another one. */
export function openSigner<Claims extends Frame, What extends Told>(
  keys: SigningKeys,
  type: TokenType,
  body: (what: What) => Omit<Claims, keyof Frame>,
): (what: What, now: number) => string {
  const signed = new Map<string, { jws: string; version: number; kid: string; at: number }>()
  return (what, now) => {
    const { audience, version } = what
    const key = keys.current()
    const made = signed.get(audience)
    if (made?.version === version && made.kid === key.kid && now - made.at < signedForMs)
      return made.jws
    const iat = Math.floor(now / 1_000)
    const exp = iat + envelopeLifeSeconds
    const frame: Frame = { iss: keys.issuer, aud: audience, iat, exp, version }
    const jws = sign(key, type, { ...frame, ...body(what) })
    signed.set(audience, { jws, version, kid: key.kid, at: now })
    return jws
  }
}
