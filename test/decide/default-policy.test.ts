/** The policy that comes with Cordon does what it says. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { decide } from '../../actions/decide/decide.ts'
import { explainVerdict } from '../../actions/decide/explain.ts'
import { readPolicy } from '../../actions/decide/policy.ts'
import { runPolicyTests } from '../../actions/decide/policy-test.ts'
import { alert, facts, now } from './given.ts'

const text = readFileSync(new URL('../../actions/default-policy.yaml', import.meta.url), 'utf8')
const policy = readPolicy(text)

describe('the default policy', () => {
  for (const { name, passed, wanted, got } of runPolicyTests(policy))
    test(name, () => assert.ok(passed, `wanted ${wanted}, got ${got}`))

  test('enforces, protects and counts', () => {
    assert.equal(policy.mode, 'enforce')
    assert.ok(policy.protect.every(({ why }) => why !== 'the policy protects it'))
    assert.equal(policy.historyMs, 24 * 3_600_000)
  })

  test('is put on trial by one word, as a whole or by one rule, and keeps its tests', () => {
    for (const changed of [
      text.replace('mode: enforce', 'mode: observe'),
      text.replace('- name: brute force\n', '- name: brute force\n    observe: true\n'),
    ]) {
      assert.notEqual(changed, text)
      const failed = runPolicyTests(readPolicy(changed)).filter(({ passed }) => !passed)
      assert.deepEqual(failed, [])
    }
  })

  test('explains a block so that a person at night can follow', () => {
    const given = alert({
      source: 'wazuh',
      attacker: '2001:db8:1:2:3:4:5:6',
      rule: { id: '5763', severity: 63, groups: ['syslog', 'sshd', 'authentication_failures'] },
    })
    const verdict = decide({ alert: given, facts: facts({ offences: 1 }), policy, now })
    assert.deepEqual(explainVerdict(verdict), [
      'Block 2001:db8:1:2::/64 for 16h, coming in, on all.',
      'The rule "brute force" matched: the detector counted many failed logins from one address.',
      '2001:db8:1:2:3:4:5:6 is blocked as its network 2001:db8:1:2::/64, as the policy says.',
      'Blocked once before, so this time for 16h (at most 1w).',
    ])
  })
})

test('a policy on trial still fails a test of what it would not do', () => {
  const wrong = text
    .replace('mode: enforce', 'mode: observe')
    .replace('rule: brute force, target: 203.0.113.7, for: 4h', 'rule: brute force, for: 5h')
  const failed = runPolicyTests(readPolicy(wrong)).filter(({ passed }) => !passed)
  assert.deepEqual(
    failed.map(({ name }) => name),
    ['ssh brute force is blocked at the first alert and for all'],
  )
})

test('a policy test that fails shows what was wanted beside what came', () => {
  const wrong = text.replace(
    'expect: { verdict: block, rule: critical alert }',
    'expect: { verdict: watch, rule: scan }',
  )
  const failed = runPolicyTests(readPolicy(wrong)).filter(({ passed }) => !passed)
  assert.deepEqual(
    failed.map(({ wanted, got }) => [wanted, got]),
    [['watch, rule scan', 'block, rule critical alert']],
  )
})
