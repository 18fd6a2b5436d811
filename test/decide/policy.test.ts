/** A policy with a mistake is refused at its place, with what to write instead. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Problem } from '#contract/problem.ts'
import { readPolicy } from '../../actions/decide/policy.ts'
import { blockAll } from './given.ts'

type Refusal = { text: string; says: RegExp; remedy?: RegExp }
const top = (line: string) => `version: 1\nrules: []\n${line}`
const when = (text: string) => blockAll({ when: text })

const refusals: Record<string, Refusal> = {
  'text that is no YAML': { text: 'rules: [', says: /^line 1, column \d+: this is no YAML/ },
  'nothing at all': { text: '', says: /expected object/ },
  'another version': { text: 'version: 2\nrules: []', says: /^line 1, column 10: version/ },
  'a key twice': { text: 'version: 1\nversion: 1', says: /^line 2, column 1: .*unique/ },
  'an unknown key': {
    text: top('protekt: []'),
    says: /^line 3, column 1: unknown key "protekt"; did you mean "protect"\?/,
  },
  'a misspelt key of a rule': {
    text: blockAll().replace('when:', 'wen:'),
    says: /^line 7, column 5: rule "all": unknown key "wen"; did you mean "when"\?/,
  },
  'no address in protect': { text: top('protect: [300.1.1.1]'), says: /"300.1.1.1" is no IPv4/ },
  'a length without a unit': {
    text: blockAll().replace('1h', '10'),
    says: /for: .*expected a length of time such as 90s/,
  },
  'a length of nothing': { text: blockAll().replace('1h', '0s'), says: /longer than nothing/ },
  'a length without end': { text: blockAll().replace('1h', '500d'), says: /every block ends/ },
  'a block without a length': {
    text: blockAll().replace('    for: 1h\n', ''),
    says: /rule "all", for: block without a length/,
    remedy: /defaults\.for/,
  },
  'a length for watching': { text: blockAll().replace('block', 'watch'), says: /blocks nothing/ },
  'an unknown verdict': {
    text: blockAll().replace('block', 'drop'),
    says: /"block"\|"limit"\|"review"/,
  },
  'an audience of no kind': { text: blockAll({ rule: 'audience: [web]' }), says: /group\/<name>/ },
  'a ceiling below the length': {
    text: blockAll({ rule: 'escalate: { factor: 2, ceiling: 30m }' }),
    says: /escalate: the ceiling is shorter than the block/,
  },
  'escalating downwards': {
    text: blockAll({ rule: 'escalate: { factor: 0.5, ceiling: 2h }' }),
    says: /escalate.factor: too small/,
  },
  'a network wider than the ceiling': {
    text: blockAll({ rule: 'ipv6_prefix: 32' }),
    says: /ipv6_prefix: \/32 is wider than the ceiling of \/48/,
  },
  'a ceiling that is none': { text: top('ceilings: { ipv4_prefix: 0 }'), says: />=8/ },
  'a name twice': {
    text: `${blockAll()}  - { name: all, because: b, when: 'alert.blocked', verdict: watch }`,
    says: /rule "all", name: this name is taken already/,
  },
  'a test of an unknown rule': {
    text: `${blockAll()}tests:\n  - { name: t, expect: { verdict: block, rule: al } }`,
    says: /test "t", expect.rule: there is no rule "al"/,
    remedy: /did you mean "all"/,
  },
  'an unknown field': {
    text: when('alert.sevrity > 3'),
    says: /^line 7, column 17: rule "all", when: unknown field sevrity, at character 7$/,
    remedy: /did you mean severity\?/,
  },
  'an unknown field in a folded condition': {
    text: when('>-\n      alert.severity > 3\n      && alert.vctim.port == 1'),
    says: /unknown field vctim, at character 29/,
  },
  'an unknown function': { text: when('sean("10m") > 1'), says: /sean/, remedy: /mean seen\?/ },
  'an unknown name': { text: when('alrt.user == ""'), says: /alrt/, remedy: /mean alert\?/ },
  'a number compared with text': { text: when('alert.severity > "x"'), says: /int > string/ },
  'a condition that is no yes or no': { text: when('alert.severity'), says: /gives int/ },
  'half a condition': { text: when('alert.severity >'), says: /unexpected token/ },
  'a condition that is no text': { text: when('true'), says: /put it in quotes/ },
  'a window that is no time': { text: when('seen("soon") > 1'), says: /"soon" is no length/ },
  'a window that is computed': { text: when('seen(alert.user) > 1'), says: /takes a length/ },
  'a window beyond the history': { text: when('seen("25h") > 1'), says: /reaches back further/ },
  'a window of nothing': { text: when('seen("0s") > 1'), says: /"0s" is no length of time/ },
  'a network that is none': {
    text: when('in_network(alert.attacker, "192.0.2")'),
    says: /"192.0.2" is no network/,
  },
  'a network asked of a number': {
    text: when('in_network(alert.count, "192.0.2.0/24")'),
    says: /looks at the text of an address/,
  },
  'a pattern that is none': {
    text: when('alert.user.matches("(")'),
    says: /no regular expression/,
  },
  'a check that hides mistakes': { text: when('has(alert.usr)'), says: /hides mistakes/ },
  'a name that is not for policies': { text: when('__evidence == 1'), says: /unknown name/ },
}

describe('a policy is refused for', () => {
  for (const [name, { text, says, remedy }] of Object.entries(refusals))
    test(name, () => {
      assert.throws(
        () => readPolicy(text),
        (error) => {
          assert.ok(error instanceof Problem)
          assert.equal(error.code, 'policy_invalid')
          assert.match(error.message, /^line \d+, column \d+: /)
          assert.match(error.message, says)
          assert.match(error.remedy ?? '', remedy ?? /./)
          return true
        },
      )
    })
})

test('a policy without rules is a policy: it watches', () => {
  assert.deepEqual(readPolicy('version: 1\nrules: []').rules, [])
})

test('an entry of protect may be a bare address', () => {
  const [entry] = readPolicy(top('protect: [192.0.2.0/24]')).protect
  assert.equal(entry?.address.text, '192.0.2.0/24')
})
