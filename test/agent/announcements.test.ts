/** A key that is announced for tomorrow, and what a whole state may promise. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { tokenType } from '#contract/envelope.ts'
import { toProblem } from '#contract/problem.ts'
import { chunkSize } from '#contract/snapshot.ts'
import { earlyAnnouncement, Keyring, takeAnnouncements } from '../../agent/keys.ts'
import type { Trust } from '../../agent/signature.ts'
import { verifyManifest } from '../../agent/verify-state.ts'
import {
  issuer,
  makeKey,
  Sequence,
  type SigningKey,
  serviceKey,
  sign,
  today,
  trusting,
} from './signer.ts'

describe('an announcement of a signing key', () => {
  const [one, two, three] = [makeKey(), makeKey(), makeKey()]
  const first = { issuer, keys: [one.public], announced: 0 }
  const second = today / 1_000

  test('dated within the slack of the clock is taken, and one second later is not', () => {
    const at = (iat: number) => takeAnnouncements(first, [announce(one, iat, one, two)], today)
    assert.equal(at(second + 30).keys.length, 2)
    assert.equal(at(second + 31), first)
  })

  test('of the future keeps back none of the present, and does not bar those to come', () => {
    const soon = announce(one, second + 3_600, three)
    const present = announce(one, second, one, two)
    const now = takeAnnouncements(first, [soon, present], today)
    assert.deepEqual(now, { issuer, keys: [one.public, two.public], announced: second })
    const later = takeAnnouncements(now, [soon, present], today + 3_600_000)
    assert.deepEqual(later.keys, [three.public])
  })

  test('of the future is named with its date, but not when a stranger signed it', () => {
    const problem = earlyAnnouncement(first, [announce(one, second + 86_400, three)], today)
    assert.match(problem?.message ?? '', /dated 2026-03-02T00:00:00.000Z, in the future/)
    assert.ok(problem?.remedy)
    assert.equal(
      earlyAnnouncement(first, [announce(two, second + 86_400, three)], today),
      undefined,
    )
    const absurd = earlyAnnouncement(first, [announce(one, Number.MAX_SAFE_INTEGER, two)], today)
    assert.equal(absurd?.code, 'envelope_expired')
  })

  test('is asked for once by all that need it at the same time, and all of them wait for the answer', async () => {
    const gate = Promise.withResolvers<void>()
    let asked = 0
    const keyring = new Keyring(
      {
        ask: async () => {
          asked++
          await gate.promise
          return { announcements: [announce(one, second, one, two)] }
        },
        store: () => {},
        monotonic: () => 0,
        now: () => today,
      },
      first,
    )
    const all = [1, 2, 3].map(async () => {
      await keyring.learn()
      return keyring.trust.keys.has(two.kid)
    })
    gate.resolve()
    assert.deepEqual(await Promise.all(all), [true, true, true])
    assert.equal(asked, 1)
  })

  test('of the future makes learning fail with the reason, until something else was announced', async () => {
    let [monotonic, asked] = [0, 0]
    let announcements = [announce(one, second + 3_600, one, three)]
    const keyring = new Keyring(
      {
        ask: async () => {
          asked++
          return { announcements }
        },
        store: () => {},
        monotonic: () => monotonic,
        now: () => today,
      },
      first,
    )
    await assert.rejects(keyring.learn(), { code: 'envelope_expired' })
    await assert.rejects(keyring.learn(), { code: 'envelope_expired' })
    assert.equal(asked, 1, 'said again without asking again')
    assert.deepEqual([...keyring.trust.keys.keys()], [one.kid])
    monotonic += 5_000
    announcements = [...announcements, announce(one, second, one, two)]
    await keyring.learn()
    assert.deepEqual([...keyring.trust.keys.keys()], [one.kid, two.kid])
  })
})

describe('a manifest is refused before any chunk is asked for', () => {
  test('when it holds more blocks than this node takes, with a quarter of slack', () => {
    assert.equal(manifest(100_000, { mostBlocks: 80_000 }).blocks, 100_000)
    refused('ceiling_reached', () => manifest(100_001, { mostBlocks: 80_000 }))
  })

  test('but a small ceiling has the slack of one chunk, and what is above is refused block by block', () => {
    assert.equal(manifest(chunkSize + 10, { mostBlocks: 10 }).blocks, chunkSize + 10)
    refused('ceiling_reached', () => manifest(chunkSize + 11, { mostBlocks: 10 }))
  })

  test('when its chunks are not as many as its blocks need', () => {
    for (const [blocks, right] of [
      [0, 0],
      [1, 1],
      [chunkSize, 1],
      [chunkSize + 1, 2],
    ] as const) {
      assert.equal(manifest(blocks, {}, right).chunks.length, right)
      refused('envelope_malformed', () => manifest(blocks, {}, right + 1))
      if (right > 0) refused('envelope_malformed', () => manifest(blocks, {}, right - 1))
    }
  })

  test('when its epoch is one that no service can have reached', () => {
    const of = (epoch: number, held?: number) =>
      manifest(0, {}, 0, epoch, held === undefined ? undefined : { epoch: held, seq: 1, hash: '' })
    assert.equal(of(1_000).epoch, 1_000)
    refused('envelope_malformed', () => of(1_001))
    assert.equal(of(2_007, 1_007).epoch, 2_007)
    refused('envelope_malformed', () => of(2_008, 1_007))
    refused('envelope_malformed', () => of(Number.MAX_SAFE_INTEGER, 7))
  })
})

const nonce = 'n'.repeat(22)

function manifest(
  blocks: number,
  more: Partial<Trust>,
  chunks = Math.ceil(blocks / chunkSize),
  epoch = 1,
  held?: { epoch: number; seq: number; hash: string },
) {
  const claims = { blocks, chunks: Array.from({ length: chunks }, () => 'a'.repeat(64)), epoch }
  const jws = new Sequence('all').snapshot(nonce, [], chunkSize, claims).manifest
  return verifyManifest(jws, { ...trust, ...more }, 'all', nonce, held, today)
}

const trust = trusting(serviceKey)

function announce(by: SigningKey, iat: number, ...keys: SigningKey[]): string {
  return sign({ iss: issuer, iat, keys: keys.map((key) => key.public) }, tokenType.keys, by)
}

function refused(code: string, act: () => unknown): void {
  assert.throws(
    act,
    (error: unknown) => toProblem(error).code === code && !!toProblem(error).remedy,
  )
}
