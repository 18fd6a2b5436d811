/** A service in miniature: its keys, and statements signed as the contract says. */
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import jwt from 'jsonwebtoken'
import type { BlockAction, LiftAction } from '#contract/action.ts'
import { readAddress } from '#contract/address.ts'
import type { Position } from '#contract/audience.ts'
import { type EnvelopeClaims, envelopeHash, tokenType } from '#contract/envelope.ts'
import { type Feed, feedChunkSize, printFeedChunk } from '#contract/feed.ts'
import { PublicKey, thumbprint } from '#contract/key.ts'
import { printRow } from '#contract/row.ts'
import { chunkDigest, chunkSize } from '#contract/snapshot.ts'
import { trustOf } from '../../agent/keys.ts'
import type { Trust } from '../../agent/signature.ts'

export const issuer = 'https://cordon.example'
/** 2026-03-01T00:00:00Z */
export const today = 1_772_323_200_000

export type SigningKey = { private: KeyObject; public: PublicKey; kid: string }

export function makeKey(): SigningKey {
  const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const { kty, crv, x, y } = pair.publicKey.export({ format: 'jwk' })
  const key = PublicKey.parse({ kty, crv, x, y })
  return { private: pair.privateKey, public: key, kid: thumbprint(key) }
}

export const serviceKey = makeKey()

export function trusting(...keys: SigningKey[]): Trust {
  return trustOf({ issuer, keys: keys.map((key) => key.public) })
}

export function sign(claims: object, typ: string, key: SigningKey = serviceKey): string {
  return jwt.sign(claims, key.private, {
    algorithm: 'ES256',
    header: { alg: 'ES256', typ, kid: key.kid },
  })
}

export function block(n: number, more: Partial<BlockAction> = {}): BlockAction {
  return {
    action: 'block',
    decision: decision(n),
    target: `203.0.113.${n % 256}`,
    direction: 'in',
    issued: today,
    not_after: today + 600_000,
    reason: 'test',
    ...more,
  }
}

export function lift(n: number, target = `203.0.113.${n % 256}`): LiftAction {
  return { action: 'lift', decision: decision(n), target, issued: today, reason: 'test' }
}

export function decision(n: number): string {
  return `d-${String(n).padStart(16, '0')}`
}

/** One audience's sequence: each envelope follows the one before. */
export class Sequence {
  readonly audience: string
  at: Position
  readonly key: SigningKey

  constructor(audience: string, at: Position = { epoch: 1, seq: 0, hash: '' }, key = serviceKey) {
    this.audience = audience
    this.at = at
    this.key = key
  }

  next(actions: readonly unknown[], more: Partial<EnvelopeClaims> = {}): string {
    const jws = sign(this.claims(actions, more), tokenType.actions, this.key)
    this.at = {
      epoch: more.epoch ?? this.at.epoch,
      seq: more.seq ?? this.at.seq + 1,
      hash: envelopeHash(jws),
    }
    return jws
  }

  claims(actions: readonly unknown[], more: Partial<EnvelopeClaims> = {}): EnvelopeClaims {
    const { epoch, seq, hash } = this.at
    return {
      ...base(this.audience),
      jti: `${seq + 1}`,
      epoch,
      seq: seq + 1,
      prev: hash,
      actions: [...actions],
      ...more,
    }
  }

  head(more: object = {}): string {
    const { epoch, seq, hash } = this.at
    return sign(
      { ...base(this.audience), epoch, seq, head: hash, ...more },
      tokenType.head,
      this.key,
    )
  }

  /** The manifest and its chunks by digest. */
  snapshot(nonce: string, blocks: readonly BlockAction[], inChunk = chunkSize, more: object = {}) {
    const chunks = new Map<string, string>()
    for (let from = 0; from < blocks.length; from += inChunk) {
      const text = `[${blocks.slice(from, from + inChunk).map(printRow)}]`
      chunks.set(chunkDigest(text), text)
    }
    const { epoch, seq, hash } = this.at
    const claims = {
      ...base(this.audience),
      epoch,
      seq,
      head: hash,
      nonce,
      blocks: blocks.length,
      chunks: [...chunks.keys()],
      ...more,
    }
    return { manifest: sign(claims, tokenType.snapshot, this.key), chunks }
  }
}

/** One list as a statement names it, and its chunks by digest. Networks in order. */
export function list(feed: string, version: number, networks: readonly string[], more = {}) {
  const chunks = new Map<string, string>()
  for (let from = 0; from < networks.length; from += feedChunkSize) {
    const text = printFeedChunk(networks.slice(from, from + feedChunkSize).map(readAddress))
    chunks.set(chunkDigest(text), text)
  }
  const named: Feed = {
    feed,
    version,
    entries: networks.length,
    not_after: today + 3_600_000,
    chunks: [...chunks.keys()],
    ...more,
  }
  return { named, chunks }
}

/** What an audience enforces as a whole from this version on. */
export function feedStatement(
  audience: string,
  version: number,
  feeds: readonly Feed[],
  { key = serviceKey, ...more }: { key?: SigningKey } & Record<string, unknown> = {},
): string {
  const claims = { ...base(audience), version, feeds: [...feeds], ...more }
  return sign(claims, tokenType.feeds, key)
}

function base(aud: string) {
  return { iss: issuer, aud, iat: today / 1_000, exp: today / 1_000 + 86_400 }
}
