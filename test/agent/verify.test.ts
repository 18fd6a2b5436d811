/** Which statements a node obeys. */
import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { Position } from '#contract/audience.ts'
import { tokenType } from '#contract/envelope.ts'
import { Problem, type ProblemCode } from '#contract/problem.ts'
import { takeAnnouncements, trustOf } from '../../agent/keys.ts'
import { readEnvelope, refuseUnfit, verifyHead } from '../../agent/verify.ts'
import { verifyManifest } from '../../agent/verify-state.ts'
import {
  block,
  issuer,
  lift,
  makeKey,
  Sequence,
  serviceKey,
  sign,
  today,
  trusting,
} from './signer.ts'

const nonce = 'n'.repeat(22)
const start: Position = { epoch: 1, seq: 0, hash: '' }

describe('an envelope', () => {
  test('that is the next one of an audience which this node follows is taken', () => {
    const jws = new Sequence('all').next([block(1), lift(2)])
    assert.equal(verify(jws).actions.length, 2)
  })

  test('with any one character changed is refused', () => {
    const jws = new Sequence('all').next([block(1)])
    fc.assert(
      fc.property(
        fc.nat(jws.length - 1),
        fc.constantFrom('A', 'b', '7', '.', '='),
        (at, letter) => {
          fc.pre(jws[at] !== letter)
          const changed = jws.slice(0, at) + letter + jws.slice(at + 1)
          // The last character of a base64url part may carry unused bits: the same bytes, the same signature.
          fc.pre(!sameBytes(jws, changed))
          assert.throws(() => verify(changed), Problem)
        },
      ),
      { numRuns: 300 },
    )
  })

  test('that was seen before is a replay', () => {
    const sequence = new Sequence('all')
    const jws = sequence.next([block(1)])
    refused('envelope_replayed', () => verify(jws, sequence.at))
  })

  test('for another node, or a group that this node is not in, is not for it', () => {
    for (const audience of ['node/db-01', 'group/db'])
      refused('envelope_audience', () => verify(new Sequence(audience).next([block(1)])))
  })

  test('under a key that is not trusted is refused, also when it names a trusted one', () => {
    const stranger = makeKey()
    refused('envelope_key_unknown', () =>
      verify(new Sequence('all', start, stranger).next([block(1)])),
    )
    const posing = { ...stranger, kid: serviceKey.kid }
    refused('envelope_signature', () => verify(new Sequence('all', start, posing).next([block(1)])))
  })

  test('is judged by the clock of the service: a second before its end yes, at its end no', () => {
    const jws = new Sequence('all').next([block(1)])
    assert.ok(verify(jws, start, today + 86_399_000))
    refused('envelope_expired', () => verify(jws, start, today + 86_400_000))
  })

  test('signed in the future is refused', () => {
    refused('envelope_expired', () =>
      verify(new Sequence('all').next([block(1)]), start, today - 31_000),
    )
  })

  test('after a missing one is a gap', () => {
    const sequence = new Sequence('all')
    sequence.next([block(1)])
    refused('envelope_gap', () => verify(sequence.next([block(2)])))
    refused('envelope_gap', () => verify(new Sequence('all').next([block(1)]), 'nothing yet'))
  })

  test('that does not follow the one this node holds is a fork', () => {
    const one = new Sequence('all')
    one.next([block(1)])
    const other = new Sequence('all')
    other.next([block(2)])
    refused('envelope_fork', () => verify(other.next([block(3)]), one.at))
  })

  test('of another epoch is never taken live, higher or lower', () => {
    refused('envelope_epoch', () =>
      verify(new Sequence('all', { ...start, epoch: 2 }).next([block(1)])),
    )
    refused('envelope_epoch', () =>
      verify(new Sequence('all').next([block(1)]), { ...start, epoch: 2 }),
    )
  })

  test('of another issuer is refused although the key is right', () => {
    const claims = new Sequence('all').claims([block(1)], { iss: 'https://other.example' })
    refused('envelope_issuer', () => verify(sign(claims, tokenType.actions)))
  })

  test('cannot be another kind of statement: every other type is refused', () => {
    const claims = new Sequence('all').claims([block(1)])
    for (const type of [tokenType.head, tokenType.snapshot, tokenType.keys, tokenType.node, 'JWT'])
      refused('envelope_malformed', () => verify(sign(claims, type)))
  })

  test('without a signature, or signed with the public key as a shared secret, is refused', () => {
    const claims = new Sequence('all').claims([block(1)])
    const header = { typ: tokenType.actions, kid: serviceKey.kid }
    refused('envelope_algorithm', () =>
      verify(`${encode({ ...header, alg: 'none' })}.${encode(claims)}.`),
    )
    const body = `${encode({ ...header, alg: 'HS256' })}.${encode(claims)}`
    const mac = createHmac('sha256', JSON.stringify(serviceKey.public))
      .update(body)
      .digest('base64url')
    refused('envelope_algorithm', () => verify(`${body}.${mac}`))
    const pretending = `${encode({ ...header, alg: 'ES256' })}.${encode(claims)}`
    refused('envelope_signature', () => verify(`${pretending}.${mac}`))
  })

  test('whose header brings its own key or asks for an extension is refused', () => {
    const [, payload, signature] = new Sequence('all').next([block(1)]).split('.')
    for (const more of [{ jwk: serviceKey.public }, { crit: ['b64'], b64: false }]) {
      const header = { alg: 'ES256', typ: tokenType.actions, kid: serviceKey.kid, ...more }
      refused('envelope_malformed', () => verify(`${encode(header)}.${payload}.${signature}`))
    }
  })

  test('with an unknown claim, or text that is no JWS, is malformed', () => {
    const claims = { ...new Sequence('all').claims([block(1)]), surprise: 1 }
    refused('envelope_malformed', () => verify(sign(claims, tokenType.actions)))
    fc.assert(fc.property(fc.string(), (text) => refused('envelope_malformed', () => verify(text))))
  })
})

describe('a manifest of the whole state', () => {
  const at = { epoch: 2, seq: 7, hash: 'seven' }

  test('is taken when it answers the question of this node, also in a higher epoch', () => {
    const next = new Sequence('all', { epoch: 3, seq: 1, hash: 'one' })
    assert.equal(manifest(next.snapshot(nonce, []).manifest, at).epoch, 3)
    assert.equal(manifest(new Sequence('all', at).snapshot(nonce, []).manifest, at).seq, 7)
  })

  test("that answers another nonce is yesterday's, whatever its epoch", () => {
    const replayed = new Sequence('all', { epoch: 9, seq: 9, hash: 'x' }).snapshot(
      'o'.repeat(22),
      [],
    )
    refused('envelope_replayed', () => manifest(replayed.manifest, at))
  })

  test('of a service that lost its past is not taken', () => {
    const lost: [ProblemCode, Position][] = [
      ['envelope_epoch', { epoch: 1, seq: 90, hash: 'x' }],
      ['envelope_replayed', { epoch: 2, seq: 6, hash: 'x' }],
      ['envelope_fork', { epoch: 2, seq: 7, hash: 'another seven' }],
    ]
    for (const [code, position] of lost)
      refused(code, () => manifest(new Sequence('all', position).snapshot(nonce, []).manifest, at))
  })

  test('of another audience is refused', () => {
    refused('envelope_audience', () =>
      manifest(new Sequence('group/web').snapshot(nonce, []).manifest, at),
    )
  })
})

test('a head is read only with its own type, audience and age', () => {
  const sequence = new Sequence('all', { epoch: 1, seq: 4, hash: 'four' })
  const read = (jws: string, now = today) =>
    verifyHead(jws, trusting(serviceKey), new Set(['all']), now)
  assert.equal(read(sequence.head()).seq, 4)
  refused('envelope_malformed', () => read(sequence.next([block(1)])))
  refused('envelope_audience', () => read(new Sequence('group/x').head()))
  refused('envelope_expired', () => read(sequence.head(), today + 86_400_000))
})

describe('a new signing key', () => {
  const [one, two, three] = [makeKey(), makeKey(), makeKey()]
  const first = { issuer, keys: [one.public], announced: 0 }
  const announce = (by: typeof one, iat: number, ...keys: (typeof one)[]) =>
    sign({ iss: issuer, iat, keys: keys.map((key) => key.public) }, tokenType.keys, by)

  test('is trusted when a trusted key announces it, step by step and in whatever order', () => {
    const steps = [announce(two, 20, two, three), announce(one, 10, one, two)]
    const trust = trustOf(takeAnnouncements(first, steps, today))
    assert.deepEqual([...trust.keys.keys()], [two.kid, three.kid])
  })

  test('is not trusted on its own word, nor another issuer on the word of a trusted key', () => {
    assert.equal(takeAnnouncements(first, [announce(two, 10, two)], today), first)
    const foreign = sign(
      { iss: 'https://other.example', iat: 10, keys: [two.public] },
      tokenType.keys,
      one,
    )
    assert.equal(takeAnnouncements(first, [foreign], today), first)
  })

  test('does not come back by an old announcement after it was retired', () => {
    const old = announce(one, 10, one, two)
    const now = takeAnnouncements(first, [old, announce(one, 20, one)], today)
    assert.deepEqual(takeAnnouncements(now, [old], today), now)
  })

  test('of two announcements in one second is taken once, and the reading ends', () => {
    const both = [announce(one, 10, one, two), announce(one, 10, one, three)]
    const now = takeAnnouncements(first, both, today)
    assert.deepEqual(now.keys, [one.public, three.public])
  })
})

function verify(jws: string, position: Position | 'nothing yet' = start, now = today) {
  const audiences = new Set(['all', 'group/web', 'node/web-01'])
  const claims = readEnvelope(jws, trusting(serviceKey))
  refuseUnfit(claims, audiences, position === 'nothing yet' ? undefined : position, now)
  return claims
}

function manifest(jws: string, position: Position) {
  return verifyManifest(jws, trusting(serviceKey), 'all', nonce, position, today)
}

function refused(code: ProblemCode, act: () => unknown): void {
  assert.throws(act, (error: unknown) => {
    assert.ok(error instanceof Problem, String(error))
    assert.equal(error.code, code, error.message)
    assert.ok(error.remedy)
    return true
  })
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

function sameBytes(a: string, b: string): boolean {
  const bytes = (text: string) =>
    text.split('.').map((part) => Buffer.from(part, 'base64url').toString('hex'))
  return JSON.stringify(bytes(a)) === JSON.stringify(bytes(b))
}
