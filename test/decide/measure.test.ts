/** What a rule says besides "block": to whom of the traffic, with which answer, how much passes, and how long it goes on. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Direction } from '#contract/action.ts'
import { decide } from '../../actions/decide/decide.ts'
import { explainVerdict } from '../../actions/decide/explain.ts'
import type { Allowance, Facts } from '../../actions/decide/facts.ts'
import { directionCovers, directionsMeet, isSameMeasure } from '../../actions/decide/measure.ts'
import { readPolicy } from '../../actions/decide/policy.ts'
import { runPolicyTests } from '../../actions/decide/policy-test.ts'
import { alert, blockAll, facts, now } from './given.ts'

const rate = '{ packets: 20, per: second, burst: 40 }'
const limiting = blockAll({ rule: `rate: ${rate}` }).replace('verdict: block', 'verdict: limit')

function judged(text: string, more: Partial<Facts> = {}) {
  return decide({ alert: alert(), facts: facts(more), policy: readPolicy(text), now })
}

describe('a rule', () => {
  test('that says nothing of it orders a plain block', () => {
    const { order } = judged(blockAll())
    assert.deepEqual(order, {
      target: '203.0.113.7',
      audience: ['all'],
      direction: 'in',
      lengthMs: 3_600_000,
    })
  })

  test('with a scope stops that part of the traffic only, and says so', () => {
    const text = blockAll({
      rule: 'scope: { interface: ppp*, protocol: tcp, ports: [22, 8000-8100] }\nresponse: reject',
    })
    const verdict = judged(text)
    assert.deepEqual(verdict.order?.scope, {
      interface: 'ppp*',
      protocol: 'tcp',
      ports: ['22', '8000-8100'],
    })
    assert.deepEqual(verdict.order?.measure, { action: 'block', response: 'reject' })
    assert.equal(
      explainVerdict(verdict)[0],
      'Block 203.0.113.7 with an answer for 1h, coming in, only tcp ports 22, 8000-8100 at ppp*, on all.',
    )
  })

  test('about both ends of what is forwarded says which, and which way', () => {
    const scope = 'scope: { interface: eth0, peer: 192.0.2.10/24, peer_interface: ppp* }'
    for (const [direction, words] of [
      ['forward_from', 'passing through from it, only at eth0 to 192.0.2.0/24 at ppp*, on all.'],
      ['forward_to', 'passing through to it, only at eth0 from 192.0.2.0/24 at ppp*, on all.'],
      ['forward', 'passing through, only at eth0 with 192.0.2.0/24 at ppp*, on all.'],
    ]) {
      const verdict = judged(blockAll({ rule: `direction: ${direction}\n${scope}` }))
      assert.deepEqual(verdict.order?.scope, {
        interface: 'eth0',
        peer: '192.0.2.0/24',
        peer_interface: 'ppp*',
      })
      assert.equal(explainVerdict(verdict)[0], `Block 203.0.113.7 for 1h, ${words}`)
    }
  })

  test('whose peer is of the other family leaves the attacker to the next rule', () => {
    const verdict = judged(blockAll({ rule: 'scope: { peer: "2001:db8::1" }' }))
    assert.deepEqual([verdict.outcome, verdict.rule], ['watch', null])
    assert.deepEqual(verdict.reasons, [{ code: 'no_rule_matched' }])
  })

  test('that limits is acted on like a block, with its rate', () => {
    const verdict = judged(limiting)
    assert.equal(verdict.outcome, 'block')
    assert.deepEqual(verdict.order?.measure, {
      action: 'limit',
      rate: { packets: 20, per: 'second', burst: 40 },
    })
    assert.match(explainVerdict(verdict)[0] ?? '', /^Limit 203\.0\.113\.7 to 20 packets a second/)
  })

  test('that asks with a rate asks whether to limit', () => {
    const verdict = judged(limiting.replace('verdict: limit', 'verdict: review'))
    assert.match(explainVerdict(verdict)[0] ?? '', /^Ask a person whether to limit 203\.0\.113\.7/)
  })

  test('that limits is called so in the tests of a policy', () => {
    const [result] = runPolicyTests(
      readPolicy(`${limiting}
tests:
  - name: it is limited
    alert: { attacker: 203.0.113.7 }
    expect: { verdict: limit, rule: all }
`),
    )
    assert.deepEqual([result?.passed, result?.got], [true, 'limit, rule all'])
  })
})

describe('a policy is refused for', () => {
  const wrong = {
    'ports without a protocol': [
      blockAll({ rule: 'scope: { ports: [22] }' }),
      /scope\.ports: ports need a protocol/,
    ],
    'ports of a protocol that has none': [
      blockAll({ rule: 'scope: { protocol: icmp, ports: [22] }' }),
      /ports need a protocol/,
    ],
    'everybody as the peer': [
      blockAll({ rule: 'scope: { peer: 0.0.0.0/0 }' }),
      /scope\.peer: this is everybody: leave the peer out/,
    ],
    'a peer that is no address': [
      blockAll({ rule: 'scope: { peer: db-01 }' }),
      /scope\.peer: "db-01" is no IPv4 or IPv6 address or network/,
    ],
    "an interface on the peer's side of what comes in": [
      blockAll({ rule: 'scope: { peer_interface: eth1 }' }),
      /only what is forwarded has a peer_interface, and this rule is of in/,
    ],
    'the same where all rules are of what goes out': [
      blockAll({
        top: 'defaults: { direction: out }',
        rule: 'scope: { peer: 192.0.2.1, peer_interface: eth1 }',
      }),
      /only what is forwarded has a peer_interface, and this rule is of out/,
    ],
    'a misspelt peer': [blockAll({ rule: 'scope: { per: 192.0.2.1 }' }), /did you mean "peer"\?/],
    'a limit without a rate': [limiting.replace(`rate: ${rate}`, ''), /a limit without a rate/],
    'a block with a rate': [blockAll({ rule: `rate: ${rate}` }), /a block lets nothing pass/],
    'a limit that rejects': [
      limiting.replace('for: 1h', 'for: 1h\n    response: reject'),
      /what a limit drops is never answered/,
    ],
    'a rule that watches part of the traffic': [
      blockAll({ rule: 'scope: { protocol: tcp }' })
        .replace('verdict: block', 'verdict: watch')
        .replace('    for: 1h\n', ''),
      /a rule that says watch blocks nothing/,
    ],
    'a renewal that cannot prolong anything': [
      blockAll({ rule: 'renew: { while_hitting: 10m, at_most: 1h }' }),
      /as long as it may get/,
    ],
    'a canary that is the whole fleet': [
      blockAll({ top: 'rollout: { wider_than: { ipv4: 24, ipv6: 48 }, canary: [all] }' }),
      /a part of the fleet/,
    ],
    'a wait in which no node can answer': [
      blockAll({
        top: 'rollout: { wider_than: { ipv4: 24, ipv6: 48 }, canary: [group/c], wait: 1s }',
      }),
      /ten seconds/,
    ],
  } as const
  for (const [name, [text, says]] of Object.entries(wrong))
    test(name, () => {
      assert.throws(() => readPolicy(text), { code: 'policy_invalid', message: says })
    })
})

test('a way that is none is refused in a policy with the nearest that is', () => {
  assert.throws(() => readPolicy(blockAll({ rule: 'direction: foward_from' })), {
    code: 'policy_invalid',
    message: /direction: invalid option: expected one of "in"\|/,
    remedy: 'did you mean forward_from? correct this and load it again',
  })
})

describe('an attacker that people allow', () => {
  const allowed: Allowance = {
    target: '203.0.113.0/28',
    direction: 'both',
    audience: ['all'],
    until: now + 60_000,
    actor: 'token/anna',
    reason: 'a partner tests',
  }

  test('is judged, and no block is made that would do nothing', () => {
    const verdict = judged(blockAll(), { allowed: [allowed] })
    assert.equal(verdict.outcome, 'ignore')
    assert.deepEqual(
      verdict.reasons.map(({ code }) => code),
      ['rule_matched', 'allowed'],
    )
    assert.match(explainVerdict(verdict).join(' '), /allowed by token\/anna until 2026-03-01T03:01/)
  })

  const others = {
    'the other way only': { ...allowed, direction: 'out' },
    'as far as it is forwarded only': { ...allowed, direction: 'forward_from' },
    'on some of the nodes only': { ...allowed, audience: ['group/web'] },
    'in a part of the network that is blocked': { ...allowed, target: '203.0.113.7/32' },
    'beside it': { ...allowed, target: '203.0.113.16/28' },
  } as const
  const wide = blockAll({ rule: 'ipv4_prefix: 28' })
  for (const [name, allowance] of Object.entries(others))
    test(`is blocked all the same when what is allowed is allowed ${name}`, () => {
      assert.equal(judged(wide, { allowed: [allowance] }).outcome, 'block')
    })
})

describe('still_hitting', () => {
  const text = blockAll({ when: 'still_hitting("10m")' })

  test('is so while a node stopped something within that time', () => {
    assert.equal(judged(text, { lastHit: now - 599_000 }).outcome, 'block')
    assert.equal(judged(text, { lastHit: now - 600_000 }).outcome, 'watch')
    assert.equal(judged(text).outcome, 'watch')
  })

  test('is asked of the store only by a policy that names it', () => {
    assert.equal(readPolicy(text).asksHits, true)
    assert.equal(readPolicy(blockAll()).asksHits, false)
  })
})

test('two orders are the same when they do the same to the same traffic', () => {
  const scope = { protocol: 'tcp', ports: ['22'] } as const
  assert.ok(isSameMeasure({}, { measure: { action: 'block' }, scope: {} }))
  assert.ok(!isSameMeasure({ scope }, {}))
  assert.ok(!isSameMeasure({ scope }, { scope: { ...scope, ports: ['23'] } }))
  assert.ok(!isSameMeasure({ measure: { action: 'block', response: 'reject' } }, {}))
  const pair = { peer: '192.0.2.10', peer_interface: 'eth1' }
  assert.ok(isSameMeasure({ scope: pair }, { scope: { ...pair } }))
  for (const other of [{}, { peer: '192.0.2.11' }, { peer_interface: 'eth2' }])
    assert.ok(!isSameMeasure({ scope: pair }, { scope: { ...(other.peer ? pair : {}), ...other } }))
})

test('a direction covers those whose every packet is of it, and meets those that share one', () => {
  const covered = {
    in: ['in', 'forward_from'],
    out: ['out', 'forward_to'],
    both: ['in', 'out', 'both', 'forward', 'forward_from', 'forward_to'],
    forward: ['forward', 'forward_from', 'forward_to'],
    forward_from: ['forward_from'],
    forward_to: ['forward_to'],
  }
  const apart = ['in out', 'in forward_to', 'out forward_from', 'forward_from forward_to']
  for (const wide of Direction.options)
    for (const narrow of Direction.options) {
      const name = `${wide} ${narrow}`
      assert.equal(directionCovers(wide, narrow), covered[wide].includes(narrow), name)
      const meet = !apart.some((two) => two === name || two === `${narrow} ${wide}`)
      assert.equal(directionsMeet(wide, narrow), meet, name)
    }
})
