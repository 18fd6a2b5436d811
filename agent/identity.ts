/** The node's own key, which never leaves it, and the short-lived tokens that it signs with it. */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomUUID,
} from 'node:crypto'
import { join } from 'node:path'
import { sign } from 'jws'
import { nodeTokenLife } from '#contract/enrolment.ts'
import { algorithm, tokenType } from '#contract/envelope.ts'
import { PublicKey } from '#contract/key.ts'
import { Problem } from '#contract/problem.ts'
import { readState, writeState } from './state.ts'

export type Identity = { key: KeyObject; public: PublicKey }

/** Seconds before its end at which a token is replaced. */
const renewBefore = 15

/** Undefined before enrolment. Throws `setting_invalid` when the file holds no key. */
export function readIdentity(folder: string): Identity | undefined {
  const pem = readState(keyPath(folder))
  if (pem === undefined) return undefined
  try {
    return identityOf(createPrivateKey(pem))
  } catch (error) {
    throw new Problem('setting_invalid', `${keyPath(folder)} holds no private key`, {
      remedy: 'restore the file, or remove the state folder and enrol the node again',
      cause: error,
    })
  }
}

/** Throws `conflict` when there is none. */
export function requireIdentity(folder: string): Identity {
  const there = readIdentity(folder)
  if (there) return there
  throw new Problem('conflict', `the key of this node is missing: there is no ${keyPath(folder)}`, {
    remedy: `restore the file, or remove ${folder} and enrol the node again`,
  })
}

/** The key that is there, or a new one. */
export function makeIdentity(folder: string): Identity {
  const there = readIdentity(folder)
  if (there) return there
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  writeState(keyPath(folder), [privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()])
  return identityOf(privateKey)
}

/** Gives the bearer token for a moment (ms of the service's clock), a new one shortly before the old one ends. */
export function bearer(
  node: string,
  identity: Identity,
  audience: string,
): (now: number) => string {
  let token = ''
  let issued = Number.NEGATIVE_INFINITY
  return (now) => {
    const second = Math.floor(now / 1_000)
    const age = second - issued
    if (age < 0 || age >= nodeTokenLife - renewBefore) {
      issued = second
      token = signToken(node, identity, audience, second)
    }
    return token
  }
}

function signToken(node: string, { key }: Identity, aud: string, iat: number): string {
  const claims = { iss: node, aud, iat, exp: iat + nodeTokenLife, jti: randomUUID() }
  const header = { alg: algorithm, typ: tokenType.node, kid: node } as const
  return sign({ header, payload: claims, privateKey: key })
}

function identityOf(key: KeyObject): Identity {
  const { kty, crv, x, y } = createPublicKey(key).export({ format: 'jwk' })
  return { key, public: PublicKey.parse({ kty, crv, x, y }) }
}

function keyPath(folder: string): string {
  return join(folder, 'node.key')
}
