/** That an envelope which somebody holds back is noticed. */
import assert from 'node:assert/strict'
import { describe, mock, test } from 'node:test'
import type { HeadClaims } from '#contract/envelope.ts'
import { Heads, headGraceMs, judgeHead } from '../../agent/heads.ts'
import { verifyHead } from '../../agent/verify.ts'
import { block, makeKey, Sequence, serviceKey, today, trusting } from './signer.ts'

const held = { epoch: 2, seq: 5, hash: 'five' }

describe('a head', () => {
  const table: [string, Partial<HeadClaims>, ReturnType<typeof judgeHead>][] = [
    ['that says where this node stands is fine', {}, 'fine'],
    ['that envelopes have overtaken is fine', { seq: 4, head: 'four' }, 'fine'],
    ['of an earlier epoch is fine', { epoch: 1, seq: 90 }, 'fine'],
    ['that is further than this node shows what is owed', { seq: 6, head: 'six' }, 'owed'],
    ['with another hash at the same place is a fork', { head: 'another five' }, 'fork'],
    ['of a later epoch asks for the whole state', { epoch: 3, seq: 0, head: '' }, 'epoch'],
  ]
  for (const [name, more, judgement] of table)
    test(name, () => {
      const claims = {
        iss: '',
        aud: 'all',
        iat: 0,
        exp: 0,
        epoch: 2,
        seq: 5,
        head: 'five',
        ...more,
      }
      assert.equal(judgeHead(claims, held), judgement)
    })
})

describe('a withheld envelope', () => {
  test('is reported when it has not come some seconds after the head that counts it', async () => {
    mock.timers.enable({ apis: ['setTimeout'] })
    const { heads, sequence, said } = watching()
    sequence.next([block(1)])
    await heads.take(sequence.head())
    mock.timers.tick(headGraceMs - 1)
    assert.deepEqual(said, ['alive'])
    mock.timers.tick(1)
    assert.deepEqual(said, ['alive', 'withheld all 1'])
    mock.timers.reset()
  })

  test('that was only on its way is not reported', async () => {
    mock.timers.enable({ apis: ['setTimeout'] })
    const { heads, sequence, said, arrive } = watching()
    sequence.next([block(1)])
    await heads.take(sequence.head())
    arrive(sequence.at)
    mock.timers.tick(headGraceMs)
    assert.deepEqual(said, ['alive'])
    mock.timers.reset()
  })

  test('cannot be hidden by a head that a stranger signed', async () => {
    const { heads, said } = watching()
    await heads.take(new Sequence('all', held, makeKey()).head())
    assert.deepEqual(said, ['distrust envelope_key_unknown'])
  })
})

function watching() {
  const said: string[] = []
  let at = held
  const heads = new Heads({
    verify: (jws) => verifyHead(jws, trusting(serviceKey), new Set(['all']), today),
    learnKeys: async () => {},
    standing: () => at,
    waiting: () => false,
    alive: () => said.push('alive'),
    lost: (audience, problem) => said.push(`lost ${audience} ${problem.code}`),
    withheld: (audience, missing) => said.push(`withheld ${audience} ${missing}`),
    distrust: (problem) => said.push(`distrust ${problem.code}`),
  })
  const arrive = (position: typeof held) => {
    at = position
  }
  return { heads, said, arrive, sequence: new Sequence('all', held) }
}
