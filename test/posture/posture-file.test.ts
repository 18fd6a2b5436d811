/** A posture file: what is wrong with it, what it becomes, what it means, and whom it shuts out. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { readAddress } from '#contract/address.ts'
import { Posture } from '#contract/posture.ts'
import { toProblem } from '#contract/problem.ts'
import { compile, namedCountries } from '../../actions/posture/compile.ts'
import { describePosture } from '../../actions/posture/describe.ts'
import { diffPosture } from '../../actions/posture/diff.ts'
import { lockOuts } from '../../actions/posture/lock-out.ts'
import { readPostureFile } from '../../actions/posture/read-posture.ts'

const digest = 'a'.repeat(64)
const networks = new Map(
  ['DE', 'FR', 'NO'].map((country) => [country, { country, entries: 3, chunks: [digest] }]),
)
const file = (rules: string, more = '') =>
  `version: 1\nzone: Europe/Berlin\npostures:\n  - for: group/web\n${more}    rules:\n${rules}`
const postureOf = (rules: string, more = ''): Posture => {
  const [first] = compile(readPostureFile(file(rules, more)), networks)
  assert.ok(first)
  return first.posture
}
const refusal = (text: string): string => {
  try {
    compile(readPostureFile(text), networks)
  } catch (error) {
    const problem = toProblem(error)
    assert.equal(problem.code, 'posture_invalid')
    return problem.message
  }
  return assert.fail('it was taken')
}

const web = `      - name: web
        service: { ports: [80, 443], rate: { packets: 20, per: second, burst: 40 } }
`
const office = `      - name: ssh in the office
        service: { ports: 22, from: [192.0.2.0/24, DE], during: "mon-fri 08:00-18:00" }
      - name: no other ssh
        service: { ports: 22, verdict: drop }
`

describe('a posture file', () => {
  for (const [what, text, message] of [
    ['no YAML', 'postures: [', /^line 1, column \d+: this is no YAML/],
    [
      'a word misspelt',
      file(web.replace('rate', 'rat')),
      /^line 7, .*rule "web", service: .*"rat"/,
    ],
    ['a port that there is not', file(web.replace('443', '70000')), /^line 7, .*service\.ports/],
    ['nothing in a rule', file('      - name: x\n'), /one of service, country and state/],
    [
      'two kinds in a rule',
      file('      - name: x\n        service: {}\n        state: { invalid: drop }\n'),
      /one of service/,
    ],
    ['a name twice', file(web + web), /^line 8, .*another rule of group\/web is called so/],
    [
      'an audience twice',
      `${file(web)}  - for: group/web\n    rules:\n${web}`,
      /^line 8, .*group\/web has rules above already/,
    ],
    [
      'a country that is none',
      file(web.replace('rate:', 'from: [Germany], rate:')),
      /^line 7, .*"Germany" is no host, network or country such as DE/,
    ],
    [
      'a country without networks',
      file('      - name: x\n        country: { deny: [QQ] }\n'),
      /^line 7, column \d+: group\/web, rule "x".*no networks for QQ/,
    ],
    [
      'deny and allow at once',
      file('      - name: x\n        country: { deny: [DE], allow: [FR] }\n'),
      /say deny or allow/,
    ],
    [
      'a time that there is not',
      file(office.replace('mon-fri', 'mun-fri')),
      /rule "ssh in the office", service\.during: .*names no days/,
    ],
    [
      'a time without a zone',
      file(office).replace('zone: Europe/Berlin\n', ''),
      /in which time zone/,
    ],
    [
      'a rate of what is dropped',
      file(
        '      - name: x\n        service: { verdict: drop, rate: { packets: 1, per: second } }\n',
      ),
      /a rate goes with the verdict accept/,
    ],
    [
      'ports of what has none',
      file('      - name: x\n        service: { protocol: icmp, ports: 8 }\n'),
      /only tcp, udp/,
    ],
    [
      'a name that could be more than a name',
      file(web.replace('name: web', `name: 'a" drop'`)),
      /a name has/,
    ],
    ['too little time to confirm', `confirm: 2s\n${file(web)}`, /10s to 10m/],
  ] as const)
    test(`with ${what} is refused at its place`, () => {
      assert.match(refusal(text), message)
    })

  test('becomes rules in one form, whatever may be left out', () => {
    assert.deepEqual(postureOf(web), {
      default: 'accept',
      rules: [
        {
          rule: 'service',
          name: 'web',
          way: 'node',
          protocol: 'tcp',
          ports: ['80', '443'],
          rate: { packets: 20, per: 'second', burst: 40 },
          verdict: 'accept',
        },
      ],
      countries: [],
    })
    const [ssh] = postureOf(office).rules
    assert.deepEqual(ssh, {
      rule: 'service',
      name: 'ssh in the office',
      way: 'node',
      protocol: 'tcp',
      ports: ['22'],
      during: { times: 'mon-fri 08:00-18:00', zone: 'Europe/Berlin' },
      from: { networks: ['192.0.2.0/24'], countries: ['DE'] },
      verdict: 'accept',
    })
  })

  test('gives one rule for each protocol, and takes Norway for a country', () => {
    const { rules } = postureOf(
      '      - name: dns\n        service: { protocol: [tcp, udp], ports: 53, from: [NO, 2001:DB8::/32] }\n',
    )
    assert.deepEqual(
      rules.map((rule) => rule.rule === 'service' && [rule.protocol, rule.from]),
      ['tcp', 'udp'].map((protocol) => [
        protocol,
        { networks: ['2001:db8::/32'], countries: ['NO'] },
      ]),
    )
  })

  test('names the countries that it needs', () => {
    const text = file('      - name: x\n        country: { allow: [fr, de], ports: 22 }\n')
    assert.deepEqual(namedCountries(readPostureFile(text)), ['DE', 'FR'])
  })

  test('is what a node takes', () => {
    assert.ok(Posture.safeParse(postureOf(web + office)).success)
  })
})

describe('in sentences', () => {
  test('each rule says what becomes of what', () => {
    const rules = `${web}${office}      - name: not from there
        country: { deny: [FR, NO], on: both }
      - name: ssh only from here
        country: { allow: DE, ports: 22, interface: eth0 }
      - name: broken
        state: { invalid: drop }
`
    assert.deepEqual(describePosture(postureOf(rules, '    default: drop\n')), [
      'web: tcp ports 80, 443 to the node from everywhere passes, at most 20 new connections a second of each source (40 at once), more are dropped',
      'ssh in the office: tcp port 22 to the node from 192.0.2.0/24, DE (3 networks) passes, during mon-fri 08:00-18:00 (Europe/Berlin)',
      'no other ssh: tcp port 22 to the node from everywhere is dropped',
      'not from there: everything to and through the node from FR (3 networks), NO (3 networks) is dropped',
      'ssh only from here: tcp port 22 to the node from anywhere but DE (3 networks) and private addresses is dropped, where it comes in by eth0',
      'broken: packets to the node that belong to no connection and begin none are dropped',
      'any other new connection to the node is dropped',
    ])
  })

  test('a difference shows what comes and what goes', () => {
    const before = postureOf(web + office)
    assert.equal(diffPosture('all', before, postureOf(web + office)).change, 'same')
    const { change, lines } = diffPosture(
      'all',
      before,
      postureOf(web.replace('20', '30') + office, '    default: drop\n'),
    )
    assert.equal(change, 'changed')
    assert.deepEqual(
      lines.map((line) => line.slice(0, 40)),
      [
        '- web: tcp ports 80, 443 to the node fro',
        '- any other new connection is left to wh',
        '+ web: tcp ports 80, 443 to the node fro',
        '+ any other new connection to the node i',
      ],
    )
    assert.equal(diffPosture('all', undefined, before).lines.length, 4)
  })

  test('a difference shows that only the networks of a country, or the order, are others', () => {
    const before = postureOf(office)
    const other = before.countries.map((one) => ({ ...one, entries: 4, chunks: ['b'.repeat(64)] }))
    assert.deepEqual(diffPosture('all', before, { ...before, countries: other }).lines, [
      '  DE has other networks: 3 before, 4 now',
    ])
    const turned = { ...before, rules: before.rules.toReversed() }
    assert.deepEqual(diffPosture('all', before, turned).lines, [
      '  the order of the rules is another one',
    ])
  })
})

describe('who administers', () => {
  const known = new Map([
    ['DE', [readAddress('203.0.113.0/24')]],
    ['FR', [readAddress('198.51.100.0/24')]],
  ])
  const admin = readAddress('198.51.100.7')
  const warned = (rules: string, more = '') => lockOuts(postureOf(rules, more), known, [admin])

  test('is warned when ssh is for a country that he is not in', () => {
    const only = '      - name: ours\n        country: { allow: DE, ports: 22 }\n'
    assert.match(warned(only)[0] ?? '', /closed for 198\.51\.100\.7, where you are: rule "ours"/)
    assert.match(warned(only.replace('DE', 'FR'))[0] ?? '', /closed for all but FR/)
    assert.deepEqual(warned(only.replace('22', '443')), [])
  })

  test('is warned when ssh is his at some hours only', () => {
    assert.match(warned(office)[0] ?? '', /rule "no other ssh"/)
    const always = office.replace('192.0.2.0/24', '198.51.100.7').replace(', during', '#')
    assert.deepEqual(
      warned(always.replace('DE]# : "mon-fri 08:00-18:00" }', 'DE] }').replace(/#.*/, '}')),
      [],
    )
  })

  test('is warned when the default is drop and nothing lets him in', () => {
    const [his, all] = warned(web, '    default: drop\n')
    assert.match(his ?? '', /no rule accepts it, and the default is drop/)
    assert.match(all ?? '', /no service accepts tcp port 22/)
  })

  test('is not warned of what passes through, nor when he is at home', () => {
    const only = '      - name: ours\n        country: { allow: DE, on: forwarded }\n'
    assert.deepEqual(warned(only), [])
    const here = lockOuts(postureOf(only.replace('forwarded', 'node')), known, [
      readAddress('192.168.1.2'),
    ])
    assert.equal(
      here.some((one) => one.includes('192.168.1.2')),
      false,
    )
  })
})
