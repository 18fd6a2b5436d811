/** Whether a statement is one that the service signed, and what it claims. Pure, given the keys. */
import type { KeyObject } from 'node:crypto'
import { decode, verify } from 'jws'
import { z } from 'zod'
import { algorithm, type TokenType } from '#contract/envelope.ts'
import { refused } from './unfit.ts'

/** Whose statements count, and how far: one issuer, its keys by thumbprint, the largest whole state worth asking for. */
export type Trust = {
  readonly issuer: string
  readonly keys: ReadonlyMap<string, KeyObject>
  readonly mostBlocks?: number
}

/** The claims that the service signed as this type. The order of the checks is what makes them safe. */
export function readStatement<Claims extends { iss: string }>(
  jws: string,
  type: TokenType,
  schema: z.ZodType<Claims>,
  trust: Trust,
): Claims {
  const { kid } = readHeader(jws, type)
  const key = trust.keys.get(kid)
  if (!key)
    throw refused(
      'envelope_key_unknown',
      `signed with key ${kid.slice(0, 60)}, which is not trusted`,
    )
  checkSignature(jws, key)
  const read = schema.safeParse(claimsOf(jws))
  if (!read.success)
    throw refused('envelope_malformed', `the claims are not those of ${type}`, read.error)
  if (read.data.iss !== trust.issuer)
    throw refused(
      'envelope_issuer',
      `issued by ${read.data.iss.slice(0, 100)}, not ${trust.issuer}`,
    )
  return read.data
}

const Issued = z.object({ iat: z.number() })

/** When a statement that was verified before was signed (ms); 0 for text that is none. */
export function issuedAt(jws: string): number {
  const read = Issued.safeParse(claimsOf(jws))
  return read.success ? read.data.iat * 1_000 : 0
}

/** Strict: a header that asks for more (`crit`, `jku`, `jwk`) is one that this version does not understand. */
const Header = z.strictObject({ alg: z.string(), typ: z.string(), kid: z.string() })

function readHeader(jws: string, type: TokenType): z.infer<typeof Header> {
  const decoded = decode(jws)
  if (!decoded) throw refused('envelope_malformed', 'this is no compact JWS')
  const read = Header.safeParse(decoded.header)
  if (!read.success)
    throw refused('envelope_malformed', 'the header is not {alg, typ, kid}', read.error)
  const { alg, typ } = read.data
  if (alg !== algorithm)
    throw refused('envelope_algorithm', `signed with ${alg}, expected ${algorithm}`)
  if (typ !== type)
    throw refused('envelope_malformed', `type is ${typ.slice(0, 60)}, expected ${type}`)
  return read.data
}

/** Undefined for what is no JSON. */
function claimsOf(jws: string): unknown {
  try {
    return decode(jws, { json: true })?.payload
  } catch {
    return undefined
  }
}

/** Only ES256, whatever the header says: those that are trusted are P-256 keys (`toKeyObject`). */
function checkSignature(jws: string, key: KeyObject): void {
  if (!isSignedBy(jws, key))
    throw refused('envelope_signature', 'the signature is not that of these bytes')
}

function isSignedBy(jws: string, key: KeyObject): boolean {
  try {
    return verify(jws, algorithm, key)
  } catch {
    // It has not the length of a signature.
    return false
  }
}
