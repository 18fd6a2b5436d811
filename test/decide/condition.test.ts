/** What conditions can see and count. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { decide } from '../../actions/decide/decide.ts'
import type { PastAlert } from '../../actions/decide/facts.ts'
import { readPolicy } from '../../actions/decide/policy.ts'
import { alert, blockAll, facts, now } from './given.ts'

const minute = 60_000

function holds(
  when: string,
  given: Parameters<typeof alert>[0],
  history: PastAlert[] = [],
): boolean {
  const policy = readPolicy(blockAll({ when: `'${when}'` }))
  const verdict = decide({ alert: alert(given), facts: facts({ history }), policy, now })
  assert.ok(!verdict.reasons.some(({ code }) => code === 'condition_failed'), 'it failed')
  return verdict.outcome === 'block'
}

function past(minutesAgo: number, more: Partial<PastAlert> = {}): PastAlert {
  return { at: now - minutesAgo * minute, rule: '1', count: 1, ...more }
}

describe('a condition', () => {
  const full = {
    source: 'wazuh',
    attacker: '2001:db8::7',
    rule: { id: '5763', name: 'brute', severity: 63, groups: ['sshd'], mitre: ['T1110'] },
    victim: { address: '198.51.100.1', host: 'web-01', port: 22, protocol: 'tcp' },
    user: 'root',
    count: 3,
    blocked: true,
  }
  for (const when of [
    'alert.source == "wazuh" && alert.rule.id == "5763" && alert.rule.name == "brute"',
    'alert.severity >= 63 && alert.severity_name == "medium"',
    '"sshd" in alert.groups && "T1110" in alert.mitre',
    'alert.attacker == "2001:db8::7" && alert.family == 6 && alert.attacker_scope == "documentation"',
    'alert.victim.address == "198.51.100.1" && alert.victim.host == "web-01"',
    'alert.victim.port == 22 && alert.victim.protocol == "tcp"',
    'alert.user == "root" && alert.count == 3 && alert.blocked && alert.hour == 3',
    'offences == 0',
    'in_network(alert.attacker, "2001:db8::/32") && !in_network(alert.attacker, "0.0.0.0/0")',
  ])
    test(`sees: ${when}`, () => assert.ok(holds(when, full)))

  test('finds absent text empty and an absent number 0', () => {
    const when =
      'alert.user == "" && alert.victim.host == "" && alert.victim.port == 0 && !in_network(alert.victim.address, "::/0")'
    assert.ok(holds(when, {}))
  })

  test('counts the alert that is judged, and each by the events it stands for', () => {
    assert.ok(holds('seen("10m") == 1', {}))
    assert.ok(holds('seen("10m") == 12', { count: 5 }, [past(1, { count: 7 })]))
  })

  test('counts nothing outside its window', () => {
    assert.ok(holds('seen("10m") == 2 && seen("11m") == 3', {}, [past(9.9), past(10)]))
  })

  test('counts alerts that arrived in the wrong order', () => {
    assert.ok(holds('seen("10m") == 2', { ageMs: 2 * minute }, [past(1)]))
  })

  test('tells rules, ports and users apart', () => {
    const history = [
      past(1, { rule: '2', port: 22, user: 'anna' }),
      past(2, { rule: '2', port: 23, user: 'anna' }),
      past(3, { port: 22 }),
    ]
    const when =
      'seen_rule("5m") == 2 && distinct_rules("5m") == 2 && distinct_ports("5m") == 3 && distinct_users("5m") == 2'
    assert.ok(holds(when, { user: 'ben', victim: { port: 80 } }, history))
  })

  test('says how far back the service must look', () => {
    const reach = (when: string) => readPolicy(blockAll({ when: `'${when}'` })).historyMs
    assert.equal(reach('alert.severity > 1'), 0)
    assert.equal(reach('seen("10m") > 1 || distinct_users("2h") > 3'), 3 * 60 * minute)
    assert.equal(reach('[1].exists(n, seen("24h") > n)'), 24 * 60 * minute)
  })
})
