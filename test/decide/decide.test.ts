/** What the judgement says of an alert, as tables of given, verdict and reasons. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { decide } from '../../actions/decide/decide.ts'
import type { Facts } from '../../actions/decide/facts.ts'
import type { IntelligenceFact } from '../../actions/decide/outside.ts'
import { readPolicy } from '../../actions/decide/policy.ts'
import type { Verdict } from '../../actions/decide/verdict.ts'
import { alert, blockAll, facts, now } from './given.ts'

type Row = {
  alert?: Parameters<typeof alert>[0]
  facts?: Partial<Facts>
  policy?: string
  outcome: Verdict['outcome']
  reasons: string[]
  target?: string
  hours?: number
  would?: Verdict['outcome']
}

const protect = 'protect: [{ address: 198.51.100.0/24, why: our office }]'
const escalate = 'escalate: { factor: 3, ceiling: 12h }'
const six = '2001:db8:1:2:3:4:5:6'

const rows: Record<string, Row> = {
  'an attacker that a rule matches is blocked alone, for the length of the rule': {
    outcome: 'block',
    reasons: ['rule_matched'],
    target: '203.0.113.7',
    hours: 1,
  },
  'an alert without an attacker is watched': {
    alert: { attacker: '' },
    outcome: 'watch',
    reasons: ['no_attacker'],
  },
  'loopback is never blocked': {
    alert: { attacker: '127.0.0.1' },
    outcome: 'watch',
    reasons: ['not_blockable'],
  },
  'the whole internet is never blocked': {
    alert: { attacker: '0.0.0.0/0' },
    outcome: 'watch',
    reasons: ['not_blockable'],
  },
  'a private attacker is blocked when the policy does not protect it': {
    alert: { attacker: '192.168.1.20' },
    outcome: 'block',
    reasons: ['rule_matched'],
  },
  'a host inside a protected network is watched': {
    alert: { attacker: '198.51.100.4' },
    policy: blockAll({ top: protect }),
    outcome: 'watch',
    reasons: ['protected'],
  },
  'a network around a protected one is watched': {
    alert: { attacker: '198.51.0.0/16' },
    policy: blockAll({ top: protect }),
    outcome: 'watch',
    reasons: ['protected'],
  },
  'a node of ours is watched, whatever the policy says': {
    facts: { own: ['203.0.113.7'] },
    outcome: 'watch',
    reasons: ['protected'],
  },
  'an alert older than the policy allows blocks nobody': {
    alert: { ageMs: 3_600_001 },
    outcome: 'watch',
    reasons: ['too_old'],
  },
  'an alert just young enough blocks': {
    alert: { ageMs: 3_600_000 },
    outcome: 'block',
    reasons: ['rule_matched'],
  },
  'an alert from the future blocks nobody': {
    alert: { ageMs: -300_001 },
    outcome: 'watch',
    reasons: ['from_the_future'],
  },
  'an alert whose time does not exist blocks nobody': {
    alert: { observed: '2026-02-31T99:00:00.000Z' },
    outcome: 'watch',
    reasons: ['too_old'],
  },
  'an alert that no rule matches is watched': {
    policy: blockAll({ when: 'alert.severity > 90' }),
    outcome: 'watch',
    reasons: ['no_rule_matched'],
  },
  'an IPv6 attacker is blocked as its /64': {
    alert: { attacker: six },
    outcome: 'block',
    reasons: ['rule_matched', 'widened'],
    target: '2001:db8:1:2::/64',
  },
  'a rule may block a wider network than the policy': {
    alert: { attacker: six },
    policy: blockAll({ rule: 'ipv6_prefix: 56' }),
    outcome: 'block',
    reasons: ['rule_matched', 'widened'],
    target: '2001:db8:1::/56',
  },
  'an IPv4 attacker is blocked as its network when the policy says so': {
    policy: blockAll({ top: 'ipv4_prefix: 24' }),
    outcome: 'block',
    reasons: ['rule_matched', 'widened'],
    target: '203.0.113.0/24',
  },
  'a protected neighbour keeps the block narrow': {
    alert: { attacker: six },
    facts: { own: ['2001:db8:1:2::80'] },
    outcome: 'block',
    reasons: ['rule_matched', 'kept_narrow'],
    target: six,
  },
  'a network is never cut down to one address': {
    alert: { attacker: '203.0.113.0/25' },
    outcome: 'block',
    reasons: ['rule_matched'],
    target: '203.0.113.0/25',
  },
  'a network wider than the ceiling is a question for a person': {
    alert: { attacker: '203.0.112.0/20' },
    outcome: 'review',
    reasons: ['rule_matched', 'too_wide'],
    target: '203.0.112.0/20',
  },
  'a repeat offender is blocked longer': {
    facts: { offences: 2 },
    policy: blockAll({ rule: escalate }),
    outcome: 'block',
    reasons: ['rule_matched', 'escalated'],
    hours: 9,
  },
  'no repeat offender is blocked longer than the ceiling': {
    facts: { offences: 2_000 },
    policy: blockAll({ rule: escalate }),
    outcome: 'block',
    reasons: ['rule_matched', 'escalated'],
    hours: 12,
  },
  'blocks above the ceiling of a minute are questions': {
    facts: { blocksLastMinute: 5 },
    policy: blockAll({ top: 'ceilings: { blocks_per_minute: 5 }' }),
    outcome: 'review',
    reasons: ['rule_matched', 'ceiling'],
  },
  'blocks above the ceiling in force are questions': {
    facts: { blocksInForce: 5 },
    policy: blockAll({ top: 'ceilings: { blocks_in_force: 5 }' }),
    outcome: 'review',
    reasons: ['rule_matched', 'ceiling'],
  },
  'a rule on trial only says what it would have done': {
    policy: blockAll({ rule: 'observe: true' }),
    outcome: 'watch',
    reasons: ['rule_matched', 'observed'],
    target: '203.0.113.7',
    would: 'block',
  },
  'a policy on trial only says what it would have done': {
    alert: { attacker: '203.0.112.0/20' },
    policy: blockAll({ top: 'mode: observe' }),
    outcome: 'watch',
    reasons: ['rule_matched', 'too_wide', 'observed'],
    would: 'review',
  },
  'a condition that fails makes a question of a block': {
    policy: blockAll({ when: 'alert.groups[3] == "x"' }),
    outcome: 'review',
    reasons: ['condition_failed'],
    target: '203.0.113.7',
  },
  'what the sensor dropped itself is blocked everywhere else too': {
    alert: { blocked: true },
    outcome: 'block',
    reasons: ['already_dropped_by_sensor', 'rule_matched'],
  },
}

describe('the judgement', () => {
  for (const [name, row] of Object.entries(rows))
    test(name, () => {
      const policy = readPolicy(row.policy ?? blockAll())
      const verdict = decide({ alert: alert(row.alert), facts: facts(row.facts), policy, now })
      const codes = verdict.reasons.map((reason) => reason.code)
      assert.deepEqual([verdict.outcome, codes], [row.outcome, row.reasons])
      assert.equal(verdict.would, row.would)
      if (row.target !== undefined) assert.equal(verdict.order?.target, row.target)
      if (row.hours !== undefined) assert.equal(verdict.order?.lengthMs, row.hours * 3_600_000)
    })

  test('the first rule that matches decides, and one that spares stands above one that blocks', () => {
    const sparing = blockAll().replace(
      'rules:',
      `rules:
  - { name: ours, because: it is our scanner, when: 'in_network(alert.attacker, "203.0.113.0/28")', verdict: ignore }`,
    )
    const verdict = decide({ alert: alert(), facts: facts(), policy: readPolicy(sparing), now })
    assert.deepEqual(verdict, {
      outcome: 'ignore',
      rule: 'ours',
      reasons: [{ code: 'rule_matched', rule: 'ours', because: 'it is our scanner' }],
    })
  })

  test('a block is for whom and which way the rule says, else the policy', () => {
    const top = 'defaults: { audience: [group/web], direction: both }'
    const order = (text: string) =>
      decide({ alert: alert(), facts: facts(), policy: readPolicy(text), now }).order
    assert.deepEqual(order(blockAll({ top }))?.audience, ['group/web'])
    assert.equal(order(blockAll({ top }))?.direction, 'both')
    const own = order(blockAll({ top, rule: 'audience: [node/web-01]\ndirection: out' }))
    assert.deepEqual([own?.audience, own?.direction], [['node/web-01'], 'out'])
  })

  test('a question is for the number of blocks alone only where nothing else makes it one', () => {
    const capped = (
      more: { rule?: string; when?: string },
      given: Partial<Facts> = {},
      attacker = '203.0.113.7',
    ) =>
      decide({
        alert: alert({ attacker }),
        facts: facts({ blocksInForce: 5, ...given }),
        policy: readPolicy(blockAll({ top: 'ceilings: { blocks_in_force: 5 }', ...more })),
        now,
      }).capped
    assert.equal(capped({}), true)
    assert.equal(capped({}, { blocksInForce: 4 }), undefined)
    assert.equal(capped({ when: 'alert.groups[3] == "x"' }), undefined)
    assert.equal(capped({}, {}, '203.0.112.0/20'), undefined)
    assert.equal(capped({ rule: 'observe: true' }), undefined)
    const vouched: IntelligenceFact = {
      state: 'answered',
      verdict: 'benign',
      score: 0,
      trusted: true,
      tags: [],
      summary: 'common business service',
      ageMs: 0,
    }
    const outside = { ...facts().outside, intelligence: { greynoise: vouched } }
    assert.equal(capped({}, { outside }), undefined)
  })
})
