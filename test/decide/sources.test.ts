/** What databases, lists and providers have to say, and what their silence means. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { decide } from '../../actions/decide/decide.ts'
import { explainVerdict } from '../../actions/decide/explain.ts'
import {
  type IntelligenceFact,
  nothingOutside,
  type Outside,
} from '../../actions/decide/outside.ts'
import { readPolicy } from '../../actions/decide/policy.ts'
import { confirm } from '../../actions/decide/provisional.ts'
import { alert, blockAll, facts, now } from './given.ts'

const answered = (more: object = {}): IntelligenceFact => ({
  state: 'answered',
  verdict: 'malicious',
  score: 90,
  trusted: false,
  tags: [],
  summary: '12 reports',
  ageMs: 60_000,
  ...more,
})
const silent: IntelligenceFact = { state: 'silent', problem: 'it never answered' }

function judge(
  text: string,
  outside: Partial<Outside> = {},
  more: Parameters<typeof alert>[0] = {},
) {
  const known = facts({ outside: { ...nothingOutside, ...outside } })
  return decide({ alert: alert(more), facts: known, policy: readPolicy(text), now })
}
const codes = (verdict: { reasons: { code: string }[] }) => verdict.reasons.map(({ code }) => code)
const fail = (source: string, mode: string) => `sources: { ${source}: { fail: ${mode} } }`

describe('a list', () => {
  const when = `'listed("droplist")'`

  test('that holds the attacker is said to', () => {
    const verdict = judge(blockAll({ when }), { lists: ['droplist'], ready: ['droplist'] })
    assert.equal(verdict.outcome, 'block')
    assert.match(explainVerdict(verdict).join('\n'), /on the list droplist/)
  })

  test('that is there and does not hold the attacker says so', () => {
    const verdict = judge(blockAll({ when }), { ready: ['droplist'] })
    assert.deepEqual(codes(verdict), ['no_rule_matched'])
  })

  for (const [mode, outcome] of [
    ['open', 'watch'],
    ['closed', 'block'],
    ['review', 'review'],
  ] as const)
    test(`that is missing and fails ${mode} leads to ${outcome}, and the verdict says why`, () => {
      const verdict = judge(blockAll({ when, top: fail('droplist', mode) }), {
        silent: { droplist: 'the page was HTML' },
      })
      assert.equal(verdict.outcome, outcome)
      const said = verdict.reasons.find((reason) => reason.code === 'source_silent')
      assert.deepEqual(said, {
        code: 'source_silent',
        source: 'droplist',
        fail: mode,
        problem: 'the page was HTML',
      })
    })

  test('that nobody set up is no clean bill: its silence is in the verdict', () => {
    const verdict = judge(blockAll({ when }))
    assert.match(
      explainVerdict(verdict).join('\n'),
      /droplist did not answer \(there is no such source here\)/,
    )
  })
})

describe('a silent source that fails review', () => {
  const top = 'sources: { d: { fail: review }, e: { fail: closed } }'
  for (const [when, outcome] of [
    ['listed("d") || alert.severity >= 40', 'block'],
    ['alert.severity >= 40 || listed("d")', 'block'],
    ['listed("d") && alert.severity >= 90', 'watch'],
    ['alert.severity >= 90 && listed("d")', 'watch'],
    ['!listed("d")', 'review'],
    ['listed("d") ? true : true', 'review'],
    ['alert.severity >= 40 ? true : listed("d")', 'block'],
    ['["x", "y"].exists(n, listed("d"))', 'review'],
    ['["x", "y"].exists(n, listed("d") || n == "y")', 'block'],
    ['["x", "y"].all(n, listed("d") || n == "y")', 'review'],
    ['["x", "y"].all(n, listed("d") && n == "y")', 'watch'],
    ['["x", "y"].exists_one(n, listed("d") || n == "y")', 'review'],
    ['["x", "y"].filter(n, listed("d")).size() == 0', 'review'],
    ['(listed("d") && false) || listed("d")', 'review'],
    ['intel("d").score > 50 || intel("e").score > 50', 'block'],
  ] as const)
    test(`leads to ${outcome} in ${when}`, () => {
      assert.equal(judge(blockAll({ when: `'${when}'`, top })).outcome, outcome)
    })

  const spare = `
version: 1
sources: { partners: { fail: review } }
rules:
  - { name: partners, because: they are ours, when: 'listed("partners")', verdict: ignore }
  - { name: severe, because: it is severe, when: alert.severity >= 40, verdict: block, for: 1h }
`
  test('leaves to a person what a rule that spares would block further down', () => {
    const verdict = judge(spare)
    assert.equal(verdict.outcome, 'review')
    assert.equal(verdict.rule, 'severe')
    assert.deepEqual(codes(verdict), ['source_silent', 'rule_matched'])
  })

  test('asks no person where no rule would block', () => {
    const verdict = judge(spare, {}, { rule: { severity: 10 } })
    assert.equal(verdict.outcome, 'watch')
    assert.deepEqual(codes(verdict), ['source_silent', 'no_rule_matched'])
  })
})

describe('a provider of intelligence', () => {
  const when = `'intel("abuseipdb").score >= 75'`

  test('is asked before its rule is judged, with all others that the rule names', () => {
    const both = `'intel("abuseipdb").score >= 75 || intel("greynoise").malicious'`
    const verdict = judge(blockAll({ when: both }), { askable: ['abuseipdb', 'greynoise'] })
    assert.deepEqual(verdict.ask, ['abuseipdb', 'greynoise'])
  })

  test('is not asked where the rest of the condition decides without it', () => {
    const both = `'intel("abuseipdb").score >= 75 && alert.severity > 90'`
    const verdict = judge(blockAll({ when: both }), { askable: ['abuseipdb'] })
    assert.equal(verdict.ask, undefined)
    assert.deepEqual(codes(verdict), ['no_rule_matched'])
  })

  test('that answered is evidence, with its age', () => {
    const verdict = judge(blockAll({ when }), { intelligence: { abuseipdb: answered() } })
    assert.equal(verdict.outcome, 'block')
    assert.match(
      explainVerdict(verdict).join('\n'),
      /abuseipdb says malicious, score 90, 1m ago: 12 reports\./,
    )
  })

  test('that does not know the attacker does not call it clean', () => {
    const unknown = { abuseipdb: answered({ verdict: 'unknown', score: 0 }) }
    assert.equal(
      judge(blockAll({ when: `'intel("abuseipdb").benign'` }), { intelligence: unknown }).outcome,
      'watch',
    )
    assert.equal(
      judge(blockAll({ when: `'!intel("abuseipdb").known'` }), { intelligence: unknown }).outcome,
      'block',
    )
  })

  for (const [mode, outcome] of [
    ['open', 'watch'],
    ['closed', 'block'],
    ['review', 'review'],
  ] as const)
    test(`that is down and fails ${mode} leads to ${outcome}`, () => {
      const text = blockAll({ when, top: fail('abuseipdb', mode) })
      const verdict = judge(text, { intelligence: { abuseipdb: silent } })
      assert.equal(verdict.outcome, outcome)
      assert.match(
        explainVerdict(verdict).join('\n'),
        /abuseipdb did not answer \(it never answered\)/,
      )
    })

  test('that knows the attacker as a common service is believed against every rule', () => {
    const outside = { intelligence: { greynoise: answered({ verdict: 'benign', trusted: true }) } }
    const verdict = judge(blockAll(), outside)
    assert.equal(verdict.outcome, 'review')
    assert.ok(codes(verdict).includes('vetoed'))
  })

  test('is not asked about what the policy calls certain', () => {
    const top = 'certain: ["test:1"]'
    const either = `'alert.severity > 40 || intel("abuseipdb").score >= 75'`
    assert.equal(judge(blockAll({ when, top }), { askable: ['abuseipdb'] }).ask, undefined)
    assert.equal(
      judge(blockAll({ when: either, top }), { askable: ['abuseipdb'] }).outcome,
      'block',
    )
  })

  test('counts as knowing nothing of what is certain, whether it runs or not, and the verdict says so', () => {
    const text = blockAll({
      when,
      top: 'certain: ["test:1"]\nsources: { abuseipdb: { fail: closed } }',
    })
    for (const askable of [['abuseipdb'], []])
      assert.deepEqual(codes(judge(text, { askable })), ['no_rule_matched', 'certain'])
  })
})

describe('the place of an attacker', () => {
  const place = {
    country: 'NL',
    city: '',
    asn: 64_500,
    as_owner: 'Example Hosting',
    anonymous: ['tor'],
  }
  const ready = ['country', 'asn', 'anonymous']

  test('can be asked for by country, network and anonymity', () => {
    const when = `'place.country == "NL" && place.asn == 64500 && "tor" in place.anonymous'`
    const verdict = judge(blockAll({ when }), { place, ready })
    assert.equal(verdict.outcome, 'block')
    assert.match(explainVerdict(verdict).join('\n'), /in NL, network AS64500 \(Example Hosting\)/)
  })

  test('is a question for a person when its database is gone and the policy says so', () => {
    const text = blockAll({ when: `'place.country in ["NL"]'`, top: fail('country', 'review') })
    assert.equal(judge(text).outcome, 'review')
    assert.equal(judge(text.replace('review', 'open')).outcome, 'watch')
  })

  test('has no worst value, so its database cannot fail closed', () => {
    assert.throws(
      () => readPolicy(blockAll({ top: fail('asn', 'closed') })),
      /asn cannot fail closed/,
    )
  })
})

describe('a provisional block', () => {
  const rule = `provisional: { for: 5m, confirm: 'intel("abuseipdb").score >= 75' }`
  const text = blockAll({ rule })
  const asked = (
    fact: IntelligenceFact,
    policy = text,
    { target = '203.0.113.7', attacker = target, ...more }: Partial<Asked> = {},
  ) =>
    confirm(
      {
        alert: alert({ attacker }),
        facts: facts({
          outside: { ...nothingOutside, intelligence: { abuseipdb: fact } },
          ...more,
        }),
        policy: readPolicy(policy),
        now,
      },
      { rule: 'all', target, lengthMs: 3_600_000 },
    )
  type Asked = Parameters<typeof facts>[0] & { target: string; attacker: string }

  test('is short at first and says what it may grow to', () => {
    const verdict = judge(text, { askable: ['abuseipdb'] })
    assert.equal(verdict.order?.lengthMs, 300_000)
    assert.deepEqual(verdict.provisional, { lengthMs: 3_600_000 })
    assert.match(explainVerdict(verdict).join('\n'), /Blocked for 5m while .* 1h if that confirms/)
  })

  test('is whole at once for a signature that is certain', () => {
    const verdict = judge(blockAll({ rule, top: 'certain: ["test:1"]' }), {
      askable: ['abuseipdb'],
    })
    assert.equal(verdict.order?.lengthMs, 3_600_000)
    assert.equal(verdict.provisional, undefined)
    assert.ok(codes(verdict).includes('certain'))
  })

  test('is confirmed by what was asked, and lifted when that does not confirm it', () => {
    assert.equal(asked(answered()).outcome, 'confirm')
    assert.equal(asked(answered({ score: 10, verdict: 'suspicious' })).outcome, 'lift')
    const ask = rule.replace('}', ', otherwise: review }')
    assert.equal(asked(answered({ score: 10 }), blockAll({ rule: ask })).outcome, 'review')
  })

  test('is lifted for a common service whatever its score', () => {
    assert.equal(asked(answered({ trusted: true })).outcome, 'lift')
  })

  for (const [mode, outcome] of [
    ['open', 'lift'],
    ['closed', 'confirm'],
    ['review', 'review'],
  ] as const)
    test(`ends as ${outcome} when its provider is down and fails ${mode}`, () => {
      assert.equal(asked(silent, blockAll({ rule, top: fail('abuseipdb', mode) })).outcome, outcome)
    })

  test('of a target that was protected meanwhile is lifted', () => {
    const top = 'protect: [203.0.113.0/24]'
    assert.equal(asked(answered(), blockAll({ rule, top })).outcome, 'lift')
  })

  test('of a network in which somebody was sheltered meanwhile is lifted', () => {
    const sheltered = [{ address: '2001:db8:1:2::80', why: 'a partner' }]
    const [target, attacker] = ['2001:db8:1:2::/64', '2001:db8:1:2::7']
    assert.equal(asked(answered(), text, { target, attacker, sheltered }).outcome, 'lift')
  })

  test('of somebody whom a person said to ignore meanwhile is lifted', () => {
    const ignored = { until: now + 3_600_000, actor: 'token/anna', reason: 'penetration test' }
    assert.deepEqual(codes(asked(answered(), text, { ignored })), ['ignored'])
  })

  test('of a rule or a policy that went on trial meanwhile is lifted', () => {
    assert.deepEqual(codes(asked(answered(), blockAll({ rule: `${rule}\nobserve: true` }))), [
      'observed',
    ])
    assert.deepEqual(codes(asked(answered(), blockAll({ rule, top: 'mode: observe' }))), [
      'observed',
    ])
  })

  for (const [mode, outcome] of [
    ['open', 'watch'],
    ['closed', 'block'],
    ['review', 'review'],
  ] as const)
    test(`whose provider does not run here and fails ${mode} leads to ${outcome}, and the verdict says why`, () => {
      const verdict = judge(blockAll({ rule, top: fail('abuseipdb', mode) }))
      assert.equal(verdict.outcome, outcome)
      assert.equal(codes(verdict).filter((code) => code === 'source_silent').length, 1)
    })

  test('whose condition cannot be evaluated is a question that names its rule', () => {
    const broken = `provisional: { for: 5m, confirm: 'intel("abuseipdb").known && alert.groups[3] == "x"' }`
    const { outcome, reasons } = asked(answered(), blockAll({ rule: broken }))
    assert.equal(outcome, 'review')
    const said = reasons.find((reason) => reason.code === 'condition_failed')
    assert.equal(said?.rule, 'all')
    assert.doesNotMatch(said?.problem ?? '', /\n/)
  })

  test('on trial does nothing and says the whole length', () => {
    const verdict = judge(blockAll({ rule: `${rule}\nobserve: true` }), { askable: ['abuseipdb'] })
    assert.equal(verdict.outcome, 'watch')
    assert.equal(verdict.would, 'block')
    assert.equal(verdict.order?.lengthMs, 3_600_000)
    assert.equal(verdict.provisional, undefined)
  })

  for (const [what, wrong, message] of [
    [
      'that is as long as the whole',
      `provisional: { for: 1h, confirm: 'intel("a").known' }`,
      /as long as the whole/,
    ],
    ['that asks nobody', `provisional: { for: 5m, confirm: 'alert.severity > 5' }`, /asks nobody/],
    [
      'with a condition that is none',
      `provisional: { for: 5m, confirm: 'intel("a").scor > 5' }`,
      /scor/,
    ],
  ] as const)
    test(`${what} is refused when the policy is read`, () => {
      assert.throws(() => readPolicy(blockAll({ rule: wrong })), message)
    })
})

describe('what a person said to ignore', () => {
  test('is ignored, with who said so, until when and why', () => {
    const ignored = { until: now + 3_600_000, actor: 'token/anna', reason: 'penetration test' }
    const policy = readPolicy(blockAll())
    const verdict = decide({ alert: alert(), facts: facts({ ignored }), policy, now })
    assert.equal(verdict.outcome, 'ignore')
    assert.match(
      explainVerdict(verdict).join('\n'),
      /token\/anna said to ignore this until 2026-03-01T04:00:00.*penetration test/,
    )
  })

  test('never shields more than it names: sheltered networks are watched like protected ones', () => {
    const sheltered = [{ address: '203.0.113.0/28', why: 'a partner' }]
    const verdict = decide({
      alert: alert(),
      facts: facts({ sheltered }),
      policy: readPolicy(blockAll()),
      now,
    })
    assert.deepEqual(codes(verdict), ['protected'])
  })
})

test('a policy carries tests of what it asks and of what is silent', async () => {
  const { runPolicyTests } = await import('../../actions/decide/policy-test.ts')
  const policy = readPolicy(`
version: 1
sources: { abuseipdb: { fail: review } }
rules:
  - name: known
    because: a provider knows it
    when: intel("abuseipdb").score >= 75 && place.country != "DE"
    verdict: block
    for: 1h
tests:
  - { name: known, facts: { intel: { abuseipdb: { score: 80 } }, country: NL }, alert: { attacker: 203.0.113.7 }, expect: { verdict: block } }
  - { name: not known, facts: { intel: { abuseipdb: { score: 8 } } }, alert: { attacker: 203.0.113.7 }, expect: { verdict: watch } }
  - { name: down, facts: { silent: [abuseipdb] }, alert: { attacker: 203.0.113.7 }, expect: { verdict: review, reasons: [source_silent] } }
  - { name: not asked, alert: { attacker: 203.0.113.7 }, expect: { verdict: watch, reasons: [must_ask] } }
`)
  for (const result of runPolicyTests(policy))
    assert.ok(result.passed, `${result.name}: ${result.got}`)
})
