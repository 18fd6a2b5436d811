/** What OpenCTI says of an address, asked through its real schema. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Intelligence } from '#contract/intelligence.ts'
import { fetchAnswer } from '../../actions/facts/providers/fetch-answer.ts'
import { openClient } from '../../connectors/opencti/client/client.ts'
import { readPlatform } from '../../connectors/opencti/client/platform-settings.ts'
import { readData } from '../../connectors/opencti/client/read-data.ts'
import { About, askAbout } from '../../connectors/opencti/lookup/about.ts'
import { judge } from '../../connectors/opencti/lookup/judge.ts'
import { openLookup } from '../../connectors/opencti/lookup/lookup.ts'
import { spellings } from '../../connectors/opencti/lookup/spellings.ts'
import { Settings } from '../../connectors/opencti/settings.ts'
import { connection, emptyWorld, schemaMissing, startOpenCti } from '../doubles/opencti.ts'
import { indicates, indicator, marking, observable } from './world.ts'

const now = Date.parse('2026-03-10T00:00:00.000Z')

describe('spellings', () => {
  test('an IPv6 address is looked for as people and machines write it, and in networks around it', () => {
    const found = spellings('2001:db8::1')
    for (const spelling of [
      '2001:db8::1',
      '2001:DB8::1',
      '2001:db8:0:0:0:0:0:1',
      '2001:0db8:0000:0000:0000:0000:0000:0001',
      '2001:0DB8:0000:0000:0000:0000:0000:0001',
      '2001:db8::/64',
      '2001:DB8::/48',
      '2001:db8::/32',
    ])
      assert.ok(found.includes(spelling), spelling)
    assert.ok(!found.includes('2001:d00::/24'), 'a network as wide as a country says nothing')
  })

  test('an IPv4 address is looked for itself and in networks down to /16', () => {
    const found = spellings('203.0.113.7')
    assert.deepEqual(found.slice(0, 3), ['203.0.113.7', '203.0.113.7/32', '203.0.113.6/31'])
    assert.ok(found.includes('203.0.113.0/24') && found.includes('203.0.0.0/16'))
    assert.equal(found.length, 18)
  })
})

const skip = schemaMissing()
describe('the look-up', { skip }, () => {
  const world = emptyWorld()
  let platform: Awaited<ReturnType<typeof startOpenCti>>
  before(async () => {
    platform = await startOpenCti(world)
  })
  after(() => platform.close())

  async function ask(address: string, more: Record<string, unknown> = {}): Promise<Intelligence> {
    const settings = Settings.parse({ url: platform.url, token: world.token, ...more })
    const lookup = openLookup(settings, () => now)
    const request = lookup.request(address)
    assert.ok(request)
    const closing = new AbortController().signal
    const answer = await fetchAnswer(lookup.fetch ?? fetch, 'opencti', request, 5_000, closing)
    return lookup.read(answer, address)
  }

  test('an indicator in force with a high score makes its address malicious, with all that is known', async () => {
    const found = indicator('i-1', "[ipv4-addr:value = '203.0.113.7']", {
      objectLabel: [{ value: 'ssh-bruteforce' }],
      objectMarking: [marking('TLP:GREEN', 2)],
      killChainPhases: [{ kill_chain_name: 'mitre-attack', phase_name: 'credential-access' }],
      stixCoreRelationships: connection([
        indicates('Malware', 'Mirai'),
        indicates('IntrusionSet', 'APT Example'),
      ]),
    })
    world.indicators = [found]
    world.observables = [
      observable('203.0.113.7', {
        indicators: connection([found]),
        reports: connection([{ name: 'Scanners of March' }]),
      }),
    ]
    const said = await ask('203.0.113.7')
    assert.equal(said.verdict, 'malicious')
    assert.equal(said.score, 80)
    assert.deepEqual(said.tags, [
      'ssh-bruteforce',
      'TLP:GREEN',
      'mitre-attack:credential-access',
      'Mirai',
      'APT Example',
    ])
    assert.match(said.summary, /until 2026-06-01; indicates Mirai \(Malware\), APT Example/)
    assert.match(said.summary, /Scanners of March/)
    assert.equal(said.link, `${platform.url}/dashboard/observations/indicators/i-1`)
  })

  test('the score of today counts, not that of its last step', async () => {
    world.observables = []
    world.indicators = [
      indicator('i-1', "[ipv4-addr:value = '203.0.113.7']", {
        decayLiveDetails: { live_score: 41 },
      }),
    ]
    const said = await ask('203.0.113.7')
    assert.deepEqual([said.verdict, said.score], ['suspicious', 41])
  })

  for (const [why, more] of [
    ['was revoked', { revoked: true }],
    ['is past its end', { valid_until: '2026-03-09T23:59:00.000Z' }],
    ['is not valid yet', { valid_from: '2026-03-11T00:00:00.000Z' }],
  ] as const)
    test(`an indicator that ${why} says nothing, nor does the old score of its observable`, async () => {
      world.indicators = [indicator('i-1', "[ipv4-addr:value = '203.0.113.7']", more)]
      world.observables = [observable('203.0.113.7', { x_opencti_score: 90 })]
      const said = await ask('203.0.113.7')
      assert.deepEqual([said.verdict, said.score], ['unknown', 0])
      assert.match(said.summary, /revoked or past its end/)
    })

  test('an observable alone makes nobody malicious', async () => {
    world.indicators = []
    world.observables = [observable('203.0.113.7', { x_opencti_score: 100 })]
    assert.equal((await ask('203.0.113.7')).verdict, 'suspicious')
  })

  test('an IPv6 address is found in capitals, and in a network around it', async () => {
    world.observables = [observable('2001:DB8::1', { x_opencti_score: 45 })]
    assert.equal((await ask('2001:db8::1')).score, 45)
    world.observables = []
    world.indicators = [indicator('i-2', "[ipv6-addr:value = '2001:db8::/48']")]
    const said = await ask('2001:db8::1')
    assert.equal(said.verdict, 'malicious')
    assert.match(said.summary, /2001:db8::\/48/)
  })

  test('an unknown address is unknown, which is not clean', async () => {
    world.indicators = world.observables = []
    const said = await ask('203.0.113.7')
    assert.deepEqual([said.verdict, said.trusted, said.link], ['unknown', false, undefined])
  })

  test('a label is a veto only when the settings say so', async () => {
    world.indicators = [
      indicator('i-1', "[ipv4-addr:value = '203.0.113.7']", {
        objectLabel: [{ value: 'AllowList' }],
      }),
    ]
    assert.equal((await ask('203.0.113.7')).trusted, false)
    const said = await ask('203.0.113.7', { trusted_labels: 'allowlist' })
    assert.deepEqual([said.verdict, said.trusted], ['benign', true])
  })

  test('many addresses are one query, and each gets what is its own', async () => {
    world.observables = []
    world.indicators = [
      indicator('i-1', "[ipv4-addr:value = '203.0.113.7']"),
      indicator('i-2', "[ipv6-addr:value = '2001:DB8::9']", { x_opencti_score: 40 }),
    ]
    world.exchanges = []
    const settings = Settings.parse({ url: platform.url, token: world.token })
    const many = Array.from({ length: 50 }, (_, index) => `203.0.113.${index}`)
    const client = openClient(readPlatform('opencti', settings))
    const found = await client.ask(...askAbout([...many, '2001:db8::9']))
    const bounds = { malicious: 60, suspicious: 30, trustedLabels: [], base: platform.url }
    assert.equal(world.exchanges.length, 1)
    assert.equal(judge(found, '203.0.113.7', bounds, now).score, 80)
    assert.equal(judge(found, '203.0.113.8', bounds, now).score, 0)
    assert.equal(judge(found, '2001:db8::9', bounds, now).score, 40)
  })

  test('an answer that was cut off says nothing of many, and of one the gravest', async () => {
    const settings = Settings.parse({ url: platform.url, token: world.token })
    const { many } = openLookup(settings, () => now)
    assert.ok(many)
    const edges = Array.from({ length: 60 }, (_, index) => ({
      node: indicator(`i-${index}`, "[ipv4-addr:value = '203.0.113.7']", {
        decayLiveDetails: null,
      }),
    }))
    const body = JSON.stringify({ data: { stixCyberObservables: null, indicators: { edges } } })
    const answer = { status: 200, headers: {}, body }
    const two = ['203.0.113.7', '203.0.113.8']
    assert.equal(many.read(answer, two).size, 0)
    assert.equal(many.read(answer, ['203.0.113.7']).get('203.0.113.7')?.score, 80)
    assert.equal(many.read(answer, [...two, '203.0.113.9']).get('203.0.113.8')?.verdict, 'unknown')
  })

  test('of many no more are asked about at once than a search takes', () => {
    const { many } = openLookup(
      Settings.parse({ url: platform.url, token: world.token }),
      () => now,
    )
    assert.ok(many)
    for (const hosts of [
      Array.from({ length: 50 }, (_, n) => `203.0.113.${n}`),
      Array.from({ length: 10 }, (_, n) => `2001:db8:${n}:abcd:ef00::${n}`),
    ]) {
      assert.equal(many.most(hosts[0] ?? ''), hosts.length)
      const values = askAbout(hosts)[1].observed.filters.flatMap((filter) => filter.values)
      assert.ok(values.length <= 2_100, `${values.length}`)
    }
  })

  test('a token that is refused is a problem, not an unknown address', async () => {
    await assert.rejects(ask('203.0.113.7', { token: 'wrong' }), { code: 'unauthenticated' })
  })
})

test('an answer in another shape is a problem, never clean', () => {
  const answer = { status: 200, headers: {}, body: '{"data":{"stixCyberObservables":[]}}' }
  assert.throws(() => readData(answer, About), { code: 'invalid_input' })
})

test('without a platform nobody is asked, and the source says why', () => {
  const lookup = openLookup(Settings.parse({}), () => now)
  assert.equal(lookup.request('203.0.113.7'), undefined)
  assert.equal(lookup.unusable?.code, 'setting_invalid')
})
