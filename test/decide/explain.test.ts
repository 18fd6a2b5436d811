/** Every reason is one English sentence that names what decided. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { explainReason, explainVerdict } from '../../actions/decide/explain.ts'
import type { Reason } from '../../actions/decide/verdict.ts'

const address = '203.0.113.7'
const sentences: [Reason, string][] = [
  [
    { code: 'protected', address, by: '203.0.113.0/24', why: 'our office' },
    '203.0.113.7 is protected by 203.0.113.0/24: our office.',
  ],
  [
    { code: 'too_old', ageMs: 7_200_000, limitMs: 3_600_000 },
    'The alert is 2h old; after 1h nothing is blocked.',
  ],
  [
    { code: 'kept_narrow', address, network: '203.0.113.0/24', by: '203.0.113.1' },
    '203.0.113.7 is blocked alone, because its network 203.0.113.0/24 overlaps 203.0.113.1.',
  ],
  [
    { code: 'ceiling', ceiling: 'blocks_per_minute', limit: 300, value: 301 },
    '301 blocks were issued in the last minute and the ceiling is 300, so a person decides.',
  ],
  [{ code: 'no_attacker' }, 'The alert names no attacker, so there is nothing to block.'],
]

describe('a reason reads', () => {
  for (const [reason, sentence] of sentences)
    test(sentence, () => assert.equal(explainReason(reason), sentence))
})

test('what was only observed says what it would have been', () => {
  const order = {
    target: address,
    audience: ['group/web'],
    direction: 'in' as const,
    lengthMs: 3_600_000,
  }
  const [first] = explainVerdict({
    outcome: 'watch',
    would: 'block',
    rule: 'r',
    order,
    reasons: [{ code: 'observed', scope: 'rule', rule: 'r' }],
  })
  assert.equal(
    first,
    'Watch; it would have been: block 203.0.113.7 for 1h, coming in, on group/web.',
  )
})
