/** Tells who calls: an API token by its hash, or a node by the JWT that it signs with its own key. */
import jwt from 'jsonwebtoken'
import { NodeName } from '#contract/audience.ts'
import { NodeTokenClaims, nodeTokenLife } from '#contract/enrolment.ts'
import { algorithm, tokenType } from '#contract/envelope.ts'
import { toKeyObject } from '#contract/key.ts'
import { Problem } from '#contract/problem.ts'
import { hashSecret } from '../flow/secret.ts'
import { findNodeIdentity, readNodeKey } from '../store/nodes.ts'
import type { Reader } from '../store/store.ts'
import { findToken } from '../store/tokens.ts'
import type { Caller } from './route.ts'

/** Clocks of nodes may be off by this much; the agent measures its offset and signs with the service's time. */
const clockToleranceSeconds = 60

/** Verified node tokens, each with the key that verified it, so that a signature is not checked at every receipt. */
type Remembered = Map<string, { name: string; keyText: string; until: number }>
const rememberedLimit = 10_000

/** Throws `unauthenticated`, `token_expired` or `node_revoked`. */
export type Authenticate = (header: string | undefined, now: number) => Promise<Caller>

export function openAuthentication(db: Reader, issuer: string): Authenticate {
  const remembered: Remembered = new Map()
  return async (header, now) => {
    if (header === undefined) return { kind: 'nobody', actor: 'nobody' }
    const bearer = /^Bearer ([\w.~+/=-]+)$/i.exec(header)?.[1]
    if (bearer === undefined) throw unknown('the Authorization header is not "Bearer <token>"')
    return bearer.startsWith('ey')
      ? nodeCaller(db, remembered, issuer, bearer, now)
      : tokenCaller(db, bearer, now)
  }
}

async function tokenCaller(db: Reader, secret: string, now: number): Promise<Caller> {
  const token = await findToken(db, hashSecret(secret))
  if (!token || token.revoked !== null)
    throw unknown('this token is not known here, or was revoked')
  if (token.expires !== null && token.expires <= now)
    throw new Problem('token_expired', `the token "${token.name}" has ended`, {
      remedy: 'make a new one: cordon token create',
    })
  return { kind: 'token', name: token.name, scopes: token.scopes, actor: `token/${token.name}` }
}

async function nodeCaller(
  db: Reader,
  remembered: Remembered,
  issuer: string,
  bearer: string,
  now: number,
): Promise<Caller> {
  const known = remembered.get(bearer)
  const node = await findNodeIdentity(db, known?.name ?? nameIn(bearer))
  if (!node) throw unknown('this node is not enrolled here')
  if (node.revoked !== null)
    throw new Problem('node_revoked', `the node ${node.name} was revoked`, {
      remedy: 'enrol it again with a new token: cordon node enrol',
    })
  if (!known || known.until <= now || known.keyText !== node.keyText) {
    const key = toKeyObject(readNodeKey(node.keyText))
    const claims = verifyNodeToken(key, issuer, bearer, now)
    if (claims.iss !== node.name) throw unknown('the token of this node names another')
    if (remembered.size >= rememberedLimit) remembered.clear()
    const { name, keyText } = node
    remembered.set(bearer, { name, keyText, until: claims.exp * 1_000 })
  }
  return { kind: 'node', node, actor: `node/${node.name}` }
}

/** Whom the token says it is from; nothing is checked yet. */
function nameIn(bearer: string): string {
  const read = NodeName.safeParse(kidOf(bearer))
  if (read.success) return read.data
  throw unknown('the token names no node')
}

/** The library throws for some text that is no JWT and gives null for other. */
function kidOf(bearer: string): unknown {
  try {
    return jwt.decode(bearer, { complete: true })?.header.kid
  } catch {
    return undefined
  }
}

function verifyNodeToken(
  key: ReturnType<typeof toKeyObject>,
  issuer: string,
  bearer: string,
  now: number,
) {
  try {
    const { header, payload } = jwt.verify(bearer, key, {
      algorithms: [algorithm],
      audience: issuer,
      clockTimestamp: Math.floor(now / 1_000),
      clockTolerance: clockToleranceSeconds,
      complete: true,
    })
    if (header.typ !== tokenType.node) throw new Error(`its type is ${header.typ}`)
    const claims = NodeTokenClaims.parse(payload)
    if (claims.exp - claims.iat > nodeTokenLife) throw new Error('it lives too long')
    if (claims.iat > Math.floor(now / 1_000) + clockToleranceSeconds)
      throw new Error('it was made in the future')
    return claims
  } catch (error) {
    throw new Problem('unauthenticated', 'the token of this node is not valid', {
      remedy: 'check the clock of the node; if it was enrolled anew, restart the agent',
      cause: error,
    })
  }
}

function unknown(why: string): Problem {
  return new Problem('unauthenticated', why, {
    remedy:
      'make one with "cordon token create", or enrol the node; where no admin token is left, "cordon serve --new-admin-token" makes one',
  })
}
