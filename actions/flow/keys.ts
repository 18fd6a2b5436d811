/** The service's signing keys: made at first start, rotated with overlap, the private halves in one file (0600). */
import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { z } from 'zod'
import { tokenType } from '#contract/envelope.ts'
import { PublicKey, thumbprint } from '#contract/key.ts'
import { Problem } from '#contract/problem.ts'
import { sign } from './sign.ts'

/** How many keys stay known: the one that signs, and those before it that nodes may still remember. */
const keptKeys = 4

export type SigningKey = { kid: string; privateKey: KeyObject; publicKey: PublicKey }

export type SigningKeys = {
  issuer: string
  /** The key that signs now. */
  current(): SigningKey
  /** All known public keys, the present one last. */
  published(): PublicKey[]
  /** Every known key set change, signed by the key before it: how a node that knows an old key learns the new. */
  announcements(): string[]
  /**
   * Makes a new key and announces it under the old one's signature. It signs only after `note` has resolved, so that no key
   * is in use of which the journal knows nothing. With `retire` it is announced alone: who hears that trusts no key before it.
   * Returns the new kid. Rejects with `store_unavailable` or `conflict`.
   */
  rotate(now: number, note: (kid: string) => Promise<unknown>, retire?: boolean): Promise<string>
}

const Stored = z.strictObject({
  issuer: z.string(),
  keys: z.array(z.record(z.string(), z.string())).min(1),
  announcements: z.array(z.string()),
})

/** Reads the file, or makes the first key. Throws `store_unavailable` when the file is damaged. */
export function openKeys(path: string, issuer: () => string): SigningKeys {
  const stored = existsSync(path) ? readStored(path) : firstKey(path, issuer())
  let keys: readonly SigningKey[] = stored.keys
  let announcements = stored.announcements
  let rotating = false
  return {
    issuer: stored.issuer,
    current: () => last(keys),
    published: () => keys.map((key) => key.publicKey),
    announcements: () => announcements,
    rotate: async (now, note, retire = false) => {
      if (rotating) throw atOnce()
      rotating = true
      try {
        const next = [...(retire ? [] : keys), toKey(newKey())].slice(-keptKeys)
        const claims = {
          iss: stored.issuer,
          iat: Math.floor(now / 1_000),
          keys: next.map((key) => key.publicKey),
        }
        const announcement = sign(last(keys), tokenType.keys, claims)
        const announced = [...announcements, announcement].slice(-keptKeys)
        const kept = { issuer: stored.issuer, keys: next.map(privateJwk), announcements: announced }
        // On the disk before its line and its use: what a key signed that was lost could never be verified.
        const place = prepare(path, kept)
        await note(last(next).kid)
        place()
        keys = next
        announcements = announced
        return last(keys).kid
      } finally {
        rotating = false
      }
    },
  }
}

function atOnce(): Problem {
  return new Problem('conflict', 'the signing key is being rotated already', {
    remedy: 'wait a moment, and rotate again only if one more new key is wanted',
  })
}

type Kept = { issuer: string; keys: SigningKey[]; announcements: string[] }

function firstKey(path: string, issuer: string): Kept {
  const key = newKey()
  write(path, { issuer, keys: [key], announcements: [] })
  return { issuer, keys: [toKey(key)], announcements: [] }
}

function newKey(): Record<string, string> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return textFields(privateKey.export({ format: 'jwk' }))
}

function toKey(jwk: Record<string, string>): SigningKey {
  const privateKey = createPrivateKey({ key: jwk, format: 'jwk' })
  const bare = PublicKey.parse({ kty: jwk.kty, crv: jwk.crv, x: jwk.x, y: jwk.y })
  const kid = thumbprint(bare)
  return { kid, privateKey, publicKey: { ...bare, kid, alg: 'ES256', use: 'sig' } }
}

function privateJwk(key: SigningKey): Record<string, string> {
  return textFields(key.privateKey.export({ format: 'jwk' }))
}

function textFields(jwk: object): Record<string, string> {
  return Object.fromEntries(
    Object.entries(jwk).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  )
}

function readStored(path: string): Kept {
  try {
    chmodSync(path, 0o600)
    const stored = Stored.parse(JSON.parse(readFileSync(path, 'utf8')))
    return { ...stored, keys: stored.keys.map(toKey) }
  } catch (error) {
    throw new Problem('store_unavailable', `the signing keys in ${path} cannot be read`, {
      remedy: 'restore the file from the backup; without it every node has to enrol anew',
      cause: error,
    })
  }
}

function write(path: string, stored: z.infer<typeof Stored>): void {
  prepare(path, stored)()
}

/** Writes all that may need room; what it returns only puts it in place. */
function prepare(path: string, stored: z.infer<typeof Stored>): () => void {
  const next = `${path}.new`
  return written(path, () => {
    const file = openSync(next, 'w', 0o600)
    chmodSync(next, 0o600)
    writeFileSync(file, JSON.stringify(stored, null, 1))
    flush(file)
    return () =>
      written(path, () => {
        renameSync(next, path)
        flush(openSync(dirname(path), 'r'))
      })
  })
}

function written<T>(path: string, work: () => T): T {
  try {
    return work()
  } catch (error) {
    throw new Problem('store_unavailable', `the signing keys cannot be written to ${path}`, {
      remedy: 'free some space, and check the owner and mode of the data directory',
      cause: error,
    })
  }
}

/** On the disk before anybody relies on it: a fleet whose service lost its keys must enrol anew. */
function flush(file: number): void {
  fsyncSync(file)
  closeSync(file)
}

function last(keys: readonly SigningKey[]): SigningKey {
  const key = keys.at(-1)
  if (!key) throw new Problem('internal', 'there is no signing key')
  return key
}
