/** The golden vectors: what the service signs and what a node verifies are the same bytes, today as when they were made. */
import assert from 'node:assert/strict'
import { createPrivateKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { z } from 'zod'
import { readAction, type StandingAction } from '#contract/action.ts'
import { readAddress } from '#contract/address.ts'
import { EnvelopeClaims, envelopeHash, type TokenType, tokenType } from '#contract/envelope.ts'
import { printFeedChunk, readFeedChunk } from '#contract/feed.ts'
import { PublicKey, thumbprint } from '#contract/key.ts'
import { Problem } from '#contract/problem.ts'
import { printRow } from '#contract/row.ts'
import { chunkDigest, readChunk, SnapshotClaims } from '#contract/snapshot.ts'
import { seal } from '../../actions/flow/issue.ts'
import { sign } from '../../actions/flow/sign.ts'
import { trustOf } from '../../agent/keys.ts'
import { readEnvelope, refuseUnfit, verifyHead } from '../../agent/verify.ts'
import { verifyKeys } from '../../agent/verify-keys.ts'
import { verifyFeeds } from '../../agent/verify-newest.ts'
import { verifyManifest } from '../../agent/verify-state.ts'

const Type = z.enum(Object.values(tokenType) as [TokenType, ...TokenType[]])
const Vector = z.object({
  type: Type,
  now: z.int(),
  jws: z.string(),
  claims: z.record(z.string(), z.unknown()),
})
const Head = z.object({ audience: z.string(), epoch: z.int(), seq: z.int(), hash: z.string() })
const key = z
  .object({
    issuer: z.string(),
    kid: z.string(),
    private: z.record(z.string(), z.string()),
    public: PublicKey,
  })
  .parse(load('key'))
const signer = { kid: key.kid, privateKey: createPrivateKey({ key: key.private, format: 'jwk' }) }
const trust = trustOf({ issuer: key.issuer, keys: [key.public] })
const envelope = Vector.extend({ head: Head, hash: z.string() }).parse(load('envelope'))
const snapshot = Vector.extend({ chunk: z.string(), blocks: z.array(z.unknown()) }).parse(
  load('snapshot'),
)
const feeds = Vector.extend({ chunk: z.string(), networks: z.array(z.string()) }).parse(
  load('feeds'),
)
const vectors = [envelope, snapshot, Vector.parse(load('head')), Vector.parse(load('keys')), feeds]

test('the key is named by its thumbprint', () => {
  assert.equal(thumbprint(key.public), key.kid)
})

describe('the signer', () => {
  for (const { type, jws, claims } of vectors)
    test(`makes the same header and claims as ever for ${type}`, () => {
      // ECDSA takes a fresh random number for each signature, so that only what was signed can be compared.
      assert.equal(unsigned(sign(signer, type, claims)), unsigned(jws))
    })

  test('seals the envelope that follows a head as ever', () => {
    const keys = {
      issuer: key.issuer,
      current: () => ({ ...signer, publicKey: key.public }),
      published: () => [key.public],
      announcements: () => [],
      rotate: async () => '',
    }
    const { actions } = EnvelopeClaims.parse(envelope.claims)
    const sealed = seal(keys, envelope.head, actions.map(readAction), envelope.now)
    assert.equal(unsigned(sealed.jws), unsigned(envelope.jws))
    assert.equal(sealed.hash, envelopeHash(sealed.jws))
    assert.deepEqual([sealed.epoch, sealed.seq], [envelope.head.epoch, envelope.head.seq + 1])
  })
})

describe('the verifier', () => {
  test('reads the envelope, and takes it as the next one after its head', () => {
    const claims = readEnvelope(envelope.jws, trust)
    assert.deepEqual(claims, envelope.claims)
    refuseUnfit(claims, new Set(['group/web']), envelope.head, envelope.now)
    assert.equal(envelopeHash(envelope.jws), envelope.hash)
  })

  test('reads the manifest that answers its nonce, and the chunk that it names', () => {
    const { nonce } = SnapshotClaims.parse(snapshot.claims)
    const claims = verifyManifest(snapshot.jws, trust, 'all', nonce, undefined, snapshot.now)
    assert.deepEqual(claims, snapshot.claims)
    assert.deepEqual(blocksIn(snapshot.chunk, claims.chunks[0] ?? ''), snapshot.blocks)
  })

  test('reads the head and the key set', () => {
    const [, , head, keys] = vectors
    assert.ok(head && keys)
    assert.deepEqual(verifyHead(head.jws, trust, new Set(['node/web-01']), head.now), head.claims)
    assert.deepEqual(verifyKeys(keys.jws, trust), keys.claims)
  })

  test('reads the lists of an audience, and the chunk that they name', () => {
    const groups = new Set(['group/web'])
    const claims = verifyFeeds(feeds.jws, trust, groups, () => feeds.now, feeds.now)
    assert.deepEqual(claims, feeds.claims)
    const networks = [...readFeedChunk(feeds.chunk, claims.feeds[0]?.chunks[0] ?? '')]
    assert.deepEqual(
      networks.map(({ text }) => text),
      feeds.networks,
    )
    assert.equal(printFeedChunk(networks), feeds.chunk)
  })

  test('takes no statement of one kind for another', () => {
    const readers = [
      (jws: string) => readEnvelope(jws, trust),
      (jws: string) =>
        verifyManifest(jws, trust, 'all', 'a-nonce-of-this-node-only', undefined, snapshot.now),
      (jws: string) => verifyHead(jws, trust, new Set(['node/web-01']), snapshot.now),
      (jws: string) => verifyKeys(jws, trust),
      (jws: string) => verifyFeeds(jws, trust, new Set(['group/web']), () => undefined, feeds.now),
    ]
    for (const [n, reader] of readers.entries())
      for (const [m, { jws }] of vectors.entries())
        if (n !== m) assert.throws(() => reader(jws), { code: 'envelope_malformed' })
  })
})

describe('a chunk of the state', () => {
  test('is the same text as ever, and reads back to the same blocks', () => {
    const blocks = blocksIn(snapshot.chunk, chunkDigest(snapshot.chunk))
    assert.equal(`[${blocks.map(printRow)}]`, snapshot.chunk)
  })

  test('of which any byte was changed is refused', () => {
    const digest = chunkDigest(snapshot.chunk)
    fc.assert(
      fc.property(
        fc.nat(snapshot.chunk.length - 1),
        fc.constantFrom('0', 'x', ' ', '"'),
        (at, byte) => {
          fc.pre(snapshot.chunk[at] !== byte)
          const changed = snapshot.chunk.slice(0, at) + byte + snapshot.chunk.slice(at + 1)
          assert.throws(() => readChunk(changed, digest), { code: 'snapshot_incomplete' })
        },
      ),
    )
  })

  test('that is signed for and still is none is a problem and no crash', () => {
    for (const text of ['', '{}', 'null'])
      assert.throws(() => readChunk(text, chunkDigest(text)), Problem, text)
  })
})

describe('a chunk of a list', () => {
  const text = (...networks: unknown[]) => JSON.stringify(networks)
  const read = (chunk: string, before?: string) => () => [
    ...readFeedChunk(
      chunk,
      chunkDigest(chunk),
      before === undefined ? before : readAddress(before),
    ),
  ]

  test('whose networks are not canonical, in order and apart is not understood', () => {
    for (const chunk of [
      '',
      '{}',
      text(7),
      text('203.0.113.7/32'),
      text('203.0.113.7/24'),
      text('203.0.113.8', '203.0.113.7'),
      text('203.0.113.7', '203.0.113.7'),
      text('203.0.113.0/24', '203.0.113.128/25'),
      text('2001:db8::/48', '203.0.113.0/24'),
    ])
      assert.throws(read(chunk), { code: 'unsupported' }, chunk)
  })

  test('goes on after the chunk before it', () => {
    assert.equal(read(text('203.0.113.128/25'), '203.0.113.0/25')().length, 1)
    assert.throws(read(text('203.0.113.128/25'), '203.0.113.0/24'), { code: 'unsupported' })
  })

  test('of which anything was changed is refused', () => {
    const chunk = text('203.0.113.0/24')
    assert.throws(() => readFeedChunk(chunk.replace('24', '16'), chunkDigest(chunk)), {
      code: 'snapshot_incomplete',
    })
  })
})

describe('an action', () => {
  test('of a kind, with a field, or with a spelling that this version does not know is unsupported', () => {
    const [known] = EnvelopeClaims.parse(envelope.claims).actions
    assert.ok(typeof known === 'object' && known !== null)
    for (const change of [
      { action: 'limit' },
      { rate: 5 },
      { target: '203.0.113.007' },
      { target: '203.0.113.7/32' },
      { target: '203.0.113.7/24' },
      { direction: 'up' },
      { not_after: undefined },
      { not_after: -1 },
      { decision: 'd-1' },
    ])
      assert.throws(
        () => readAction({ ...known, ...change }),
        { code: 'unsupported' },
        JSON.stringify(change),
      )
  })
})

function load(name: string): unknown {
  return JSON.parse(readFileSync(new URL(`./vectors/${name}.json`, import.meta.url), 'utf8'))
}

function unsigned(jws: string): string {
  return jws.split('.').slice(0, 2).join('.')
}

function blocksIn(chunk: string, digest: string): StandingAction[] {
  return [...readChunk(chunk, digest)].flatMap((row) => ('order' in row ? [row.order] : []))
}
