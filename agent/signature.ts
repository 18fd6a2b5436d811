/** Whether a statement is one that the service signed, and what it claims. Pure, given the keys. */
import { type KeyObject, verify } from 'node:crypto'
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
  const parts = split(jws)
  const { kid } = readHeader(parts, type)
  const key = trust.keys.get(kid)
  if (!key)
    throw refused(
      'envelope_key_unknown',
      `signed with key ${kid.slice(0, 60)}, which is not trusted`,
    )
  checkSignature(parts, key)
  const read = schema.safeParse(parse(parts.claims))
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
  const read = Issued.safeParse(parse(jws.split('.')[1] ?? ''))
  return read.success ? read.data.iat * 1_000 : 0
}

/** Of a compact JWS, each still in base64url. */
type Parts = { header: string; claims: string; signature: string }

/** Node reads base64url past any other character, so that one statement would have many texts. */
const compact = /^[\w-]+\.[\w-]+\.[\w-]*$/

function split(jws: string): Parts {
  if (!compact.test(jws)) throw refused('envelope_malformed', 'this is no compact JWS')
  const [header = '', claims = '', signature = ''] = jws.split('.')
  return { header, claims, signature }
}

/** Strict: a header that asks for more (`crit`, `jku`, `jwk`) is one that this version does not understand. */
const Header = z.strictObject({ alg: z.string(), typ: z.string(), kid: z.string() })

function readHeader({ header }: Parts, type: TokenType): z.infer<typeof Header> {
  const read = Header.safeParse(parse(header))
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
function parse(part: string): unknown {
  try {
    return JSON.parse(Buffer.from(part, 'base64url').toString())
  } catch {
    return undefined
  }
}

/** Only ES256, whatever the header says: those that are trusted are P-256 keys (`toKeyObject`). */
function checkSignature({ header, claims, signature }: Parts, key: KeyObject): void {
  const signed = Buffer.from(`${header}.${claims}`)
  const bytes = Buffer.from(signature, 'base64url')
  if (!verify('sha256', signed, { key, dsaEncoding: 'ieee-p1363' }, bytes))
    throw refused('envelope_signature', 'the signature is not that of these bytes')
}
