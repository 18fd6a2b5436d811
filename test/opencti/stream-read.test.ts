/** What becomes of one event of a live stream: alerts, and what is taken back. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { Problem } from '#contract/problem.ts'
import { identityId } from '../../connectors/opencti/stix/id.ts'
import { connector } from '../../connectors/opencti-stream/connector.ts'
import { addressesOf } from '../../connectors/opencti-stream/pattern.ts'
import type { Stix } from '../doubles/opencti-stream.ts'
import {
  event,
  indicator,
  indicatorId,
  type More,
  modified,
  patternOf,
  startOfStream,
} from './stream-world.ts'

const now = startOfStream + 3_600_000
const pattern = patternOf('203.0.113.7')

function context(settings: Record<string, unknown> = {}) {
  return { settings: connector.settings.parse(settings), now }
}
function alerts(record: unknown, settings: Record<string, unknown> = {}) {
  return connector.read?.(record, context(settings)) ?? []
}
function withdrawals(record: unknown, settings: Record<string, unknown> = {}) {
  return connector.withdrawals?.(record, context(settings)) ?? []
}
/** Who would be blocked, and what is taken back with which reason. */
function outcome(record: unknown, settings: Record<string, unknown> = {}) {
  return {
    said: alerts(record, settings).map(({ attacker }) => attacker),
    taken: withdrawals(record, settings).map(({ reason }) => reason),
  }
}
const create = (object: Stix, more?: More) => event('create', object, more)

describe('the pattern of an indicator', () => {
  const read = (text: string) => addressesOf(text)?.map((address) => address.text)

  for (const [text, addresses] of [
    ["[ipv4-addr:value = '203.0.113.7']", ['203.0.113.7']],
    ["[ipv6-addr:value='2001:DB8::7']", ['2001:db8::7']],
    ["[ipv4-addr:value = '198.51.100.0/24']", ['198.51.100.0/24']],
    ["[ipv4-addr:value ISSUBSET '198.51.100.0/24']", ['198.51.100.0/24']],
    ["[ipv4-addr:value IN ('203.0.113.7', '203.0.113.8')]", ['203.0.113.7', '203.0.113.8']],
    [
      "[ipv4-addr:value = '203.0.113.7' OR ipv6-addr:value = '2001:db8::7']",
      ['203.0.113.7', '2001:db8::7'],
    ],
    [
      "([ipv4-addr:value = '203.0.113.7'] OR [ipv4-addr:value = '203.0.113.8'])",
      ['203.0.113.7', '203.0.113.8'],
    ],
  ] as const)
    test(`${text} names ${addresses.join(' and ')}`, () => assert.deepEqual(read(text), addresses))

  for (const [text, why] of [
    ["[ipv4-addr:value = '203.0.113.7' AND network-traffic:dst_port = 22]", 'half of an AND'],
    ["[ipv4-addr:value = '203.0.113.7'] AND [domain-name:value = 'a.test']", 'two observations'],
    ["[NOT ipv4-addr:value = '203.0.113.7']", 'a negation'],
    ["[ipv4-addr:value NOT = '203.0.113.7']", 'a negation of the comparison'],
    ["[ipv4-addr:value != '203.0.113.7']", 'an inequality'],
    ["[ipv4-addr:value LIKE '203.0.113.%']", 'a wildcard'],
    ["[ipv4-addr:value = '203.0.113.7' OR domain-name:value = 'a.test']", 'another kind of object'],
    ["[ipv4-addr:value = '203.0.113.7'] WITHIN 5 SECONDS", 'a qualifier'],
    ["[ipv4-addr:value = '203.0.113.7'] FOLLOWEDBY [ipv4-addr:value = '203.0.113.8']", 'an order'],
    ["[ipv4-addr:value = '2001:db8::7']", 'an IPv6 address that is called IPv4'],
    ["[ipv6-addr:value = '203.0.113.7']", 'an IPv4 address that is called IPv6'],
    ["[ipv4-addr:value = '203.0.113.777']", 'no address'],
    ["[ipv4-addr:value = '203.0.113.7'", 'an end that is missing'],
    ["[ipv4-addr:value = '203.0.113.7']]", 'more than the pattern'],
    ['', 'nothing'],
    [`${'('.repeat(50_000)}[ipv4-addr:value = '203.0.113.7']`, 'a tower of parentheses'],
  ] as const)
    test(`names no address when it holds ${why}`, () => assert.equal(read(text), undefined))

  test('is read whatever it is, quickly and without a throw', () => {
    const word = fc.constantFrom(
      '[',
      ']',
      '(',
      ')',
      'OR',
      'AND',
      '=',
      "'203.0.113.7'",
      'ipv4-addr:value',
      "'",
      '\\',
      ',',
    )
    fc.assert(
      fc.property(fc.array(word), (words) => {
        const found = addressesOf(words.join(' '))
        assert.ok(found === undefined || found.length > 0)
      }),
    )
  })
})

describe('an indicator of the live stream', () => {
  test('becomes an alert with its score, its labels, its end and its own id as the statement', () => {
    const [alert, more] = alerts(create(indicator(pattern)))
    assert.equal(more, undefined)
    assert.equal(alert?.attacker, '203.0.113.7')
    assert.deepEqual(alert?.rule, {
      id: indicatorId(pattern),
      name: 'a scanner',
      severity: 80,
      groups: ['ssh-bruteforce', 'malicious-activity'],
      mitre: [],
    })
    assert.equal(alert?.statement, indicatorId(pattern))
    assert.equal(alert?.ends, '2026-06-01T00:00:00.000Z')
    assert.equal(alert?.observed, '2026-03-01T10:00:00.000Z')
  })

  test('with several addresses becomes one alert for each', () => {
    const { said } = outcome(
      create(indicator(patternOf('203.0.113.7', '2001:db8::7', '203.0.113.7'))),
    )
    assert.deepEqual(said, ['203.0.113.7', '2001:db8::7'])
  })

  test('that is sent twice is the same alert, and a newer version is another one', () => {
    const id = (object: Stix, at: number) => alerts(create(object, { at }))[0]?.id
    assert.equal(id(indicator(pattern), 1), id(indicator(pattern), 99))
    assert.notEqual(id(indicator(pattern), 1), id(indicator(pattern, modified(9)), 1))
  })

  test('without an end holds for as long as the settings assume', () => {
    const record = create(indicator(pattern, { valid_until: undefined }))
    assert.equal(alerts(record, { assume_valid: '2d' })[0]?.ends, '2026-03-03T10:00:00.000Z')
  })

  for (const [why, object, settings, reason] of [
    ['that is revoked', indicator(pattern, { revoked: true }), {}, 'it is revoked'],
    [
      'that ran out',
      indicator(pattern, { valid_until: '2026-03-01T10:30:00.000Z' }),
      {},
      'it is no longer valid',
    ],
    [
      'that does not hold yet',
      indicator(pattern, { valid_from: '2026-03-02T00:00:00.000Z' }),
      {},
      'it is not valid yet',
    ],
    ['with a low score', indicator(pattern, {}, { score: 30 }), {}, 'its score is 30, below 60'],
    [
      'without a score',
      indicator(pattern, {}, { score: undefined }),
      {},
      'its score is missing, below 60',
    ],
    [
      'with a low confidence',
      indicator(pattern, { confidence: 10 }),
      { min_confidence: 50 },
      'its confidence is 10, below 50',
    ],
    [
      'that is not for detection',
      indicator(pattern, {}, { detection: false }),
      { detection_only: true },
      'it is not marked for detection',
    ],
    [
      'with a label that is barred',
      indicator(pattern, { labels: ['Benign'] }),
      { not_labels: ['benign'] },
      'it has the label benign',
    ],
    [
      'without a label that is needed',
      indicator(pattern),
      { labels: 'botnet' },
      'it has none of the labels that are needed',
    ],
    [
      'that is marked too strictly',
      indicator(pattern, {
        object_marking_refs: [
          'marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9',
          'marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed',
        ],
      }),
      {},
      'it is marked TLP:RED',
    ],
    [
      'of a kind that is not wanted',
      indicator(pattern),
      { kinds: 'observable' },
      'it is an indicator',
    ],
  ] as const)
    test(`${why} makes no alert, and takes back what it said before`, () => {
      for (const name of ['create', 'update'])
        assert.deepEqual(outcome(event(name, object), settings), { said: [], taken: [reason] })
    })

  test('without any marking is used', () => {
    const record = create(indicator(pattern, { object_marking_refs: undefined }))
    assert.deepEqual(outcome(record).said, ['203.0.113.7'])
  })

  test('that left the stream is taken back, though its data says update', () => {
    const record = event('delete', indicator(pattern), { type: 'update' })
    assert.deepEqual(outcome(record), { said: [], taken: ['it left the stream'] })
  })

  test('that enters the stream is an alert, though its data says update', () => {
    const record = event('create', indicator(pattern), { type: 'update' })
    assert.deepEqual(outcome(record), { said: ['203.0.113.7'], taken: [] })
  })

  test('that is deleted is taken back by its id alone', () => {
    const [withdrawal] = withdrawals(event('delete', indicator(pattern)))
    assert.deepEqual(withdrawal, {
      version: 1,
      source: 'opencti-stream',
      of: indicatorId(pattern),
      observed: '2026-03-01T10:00:01.000Z',
      reason: 'it was deleted',
    })
  })

  test('that is deleted by a platform whose clocks differ is taken back all the same', () => {
    const [withdrawal] = withdrawals(event('delete', indicator(pattern, modified(30)), { at: 1 }))
    assert.equal(withdrawal?.observed, '2026-03-01T10:00:30.000Z')
  })

  test('whose pattern was changed is taken back under its earlier id', () => {
    const earlier = patternOf('203.0.113.9')
    const reverse_patch = [
      { op: 'replace', path: '/id', value: indicatorId(earlier) },
      { op: 'replace', path: '/pattern', value: earlier },
    ]
    const record = event('update', indicator(pattern), { context: { patch: [], reverse_patch } })
    assert.deepEqual(
      withdrawals(record).map(({ of, attacker }) => [of, attacker]),
      [
        [indicatorId(earlier), undefined],
        [indicatorId(pattern), '203.0.113.9'],
      ],
    )
    assert.deepEqual(outcome(record).said, ['203.0.113.7'])
  })

  test('whose pattern no longer names an address loses that one alone', () => {
    const reverse_patch = [
      { op: 'replace', path: '/pattern', value: patternOf('203.0.113.7', '203.0.113.8') },
    ]
    const record = event('update', indicator(pattern), { context: { patch: [], reverse_patch } })
    const [withdrawal, more] = withdrawals(record)
    assert.equal(withdrawal?.attacker, '203.0.113.8')
    assert.equal(more, undefined)
  })

  test('that was merged into another is taken back, which has no event of its own', () => {
    const sources = [indicator(patternOf('203.0.113.9')), 'indicator--plain']
    const record = event('merge', indicator(pattern), {
      context: { patch: [], reverse_patch: [], sources },
    })
    assert.deepEqual(
      withdrawals(record).map(({ of }) => of),
      [indicatorId(patternOf('203.0.113.9')), 'indicator--plain'],
    )
  })

  for (const [by, object, more, settings] of [
    ['a user of ours', indicator(pattern), { origin: { user_id: 'cordon-user' } }, {}],
    [
      'a worker for a user of ours',
      indicator(pattern),
      { origin: { applicant_id: 'cordon-user' } },
      {},
    ],
    ['a user of ours long ago', indicator(pattern, {}, { creator_ids: ['cordon-user'] }), {}, {}],
    ['an author of ours', indicator(pattern, { created_by_ref: 'identity--ours' }), {}, {}],
    [
      'Cordon as it signs by default',
      indicator(pattern, { created_by_ref: identityId('Cordon', 'system') }),
      {},
      { own_authors: undefined },
    ],
    ['us by its label', indicator(pattern, { labels: ['Cordon'] }), {}, {}],
    [
      'us by its reference',
      indicator(pattern, { external_references: [{ source_name: 'Cordon' }] }),
      {},
      {},
    ],
    [
      'us by a label of our own',
      indicator(pattern, { labels: ['edge'] }),
      {},
      { own_labels: 'edge' },
    ],
  ] as const)
    test(`that was written by ${by} makes no alert`, () => {
      const own = { own_users: 'cordon-user', own_authors: 'identity--ours', ...settings }
      assert.deepEqual(outcome(create(object, more), own), { said: [], taken: [] })
    })

  test('of somebody else that we have labelled is still taken back', () => {
    const ours = { labels: ['cordon'], revoked: true }
    assert.deepEqual(outcome(event('update', indicator(pattern, ours))).taken, ['it is revoked'])
  })

  test('that comes as a dependency is checked as any other', () => {
    const weak = create(indicator(pattern, {}, { score: 1 }), {
      origin: { referer: 'init-dependencies' },
    })
    assert.deepEqual(outcome(weak).said, [])
  })

  test('with hundreds of addresses is refused with what to do', () => {
    const many = Array.from({ length: 300 }, (_, n) => `203.0.${n >> 8}.${n & 255}`)
    assert.throws(() => alerts(create(indicator(patternOf(...many)))), { code: 'invalid_input' })
  })
})

describe('anything else of the live stream', () => {
  const address: Stix = {
    id: 'ipv4-addr--1',
    type: 'ipv4-addr',
    value: '203.0.113.7',
    extensions: { 'extension-definition--f93e2c80-4231-4f9a-af8b-95c9bd566a82': { score: 90 } },
  }

  test('is nothing to judge, and takes nothing back', () => {
    for (const type of ['relationship', 'report', 'malware', 'identity'])
      for (const name of ['create', 'update', 'delete'])
        assert.deepEqual(outcome(event(name, { id: `${type}--1`, type })), { said: [], taken: [] })
    assert.deepEqual(outcome(create(indicator("[domain-name:value = 'a.test']"))), {
      said: [],
      taken: [],
    })
    assert.deepEqual(outcome(create(indicator(pattern, { pattern_type: 'sigma' }))).said, [])
  })

  test('is used when it is an observable address and the settings ask for those', () => {
    assert.deepEqual(outcome(create(address)).said, [])
    assert.deepEqual(outcome(create(address), { kinds: 'indicator,observable' }).said, [
      '203.0.113.7',
    ])
  })

  test('that is no event is a problem that says what to do', () => {
    for (const record of [
      {},
      { id: '1-0', event: 'create' },
      '{"id":',
      { id: 'x', event: 'create', data: {} },
    ])
      assert.throws(
        () => alerts(record),
        (error) => error instanceof Problem && error.remedy !== undefined,
      )
  })
})
