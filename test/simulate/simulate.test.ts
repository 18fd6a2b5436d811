/** Simulations through the front door: what a draft would change, told before it is in force. */
import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { type IntelligenceFact, nothingOutside } from '../../actions/decide/outside.ts'
import type { FactSources } from '../../actions/facts/sources.ts'
import { Report } from '../../actions/simulate/report.ts'
import { noSources } from '../no-sources.ts'
import {
  openTestService,
  plainPolicy,
  record,
  startOfTest,
  type TestService,
  type TestServiceOptions,
} from '../service.ts'

const stricter = plainPolicy.replace('severity >= 70', 'severity >= 60')
const looser = plainPolicy.replace('severity >= 70', 'severity >= 90')

describe('a draft, compared with the policy in force', () => {
  test('newly blocks whom it blocks and the policy in force does not, with an alert to look up', async (t) => {
    const service = await open(t)
    await service.alert([record('203.0.113.1', { severity: 65 }), record('203.0.113.2')])
    const report = await simulate(service, { policy: stricter })
    assert.equal(report.compared_with, 'policy_in_force')
    assert.deepEqual([report.newly_blocked.addresses, report.no_longer_blocked.addresses], [1, 0])
    const [example] = report.newly_blocked.examples
    assert.deepEqual(
      [example?.address, example?.before, example?.after, example?.rule],
      ['203.0.113.1', 'review', 'block', 'severe'],
    )
    const found = await service.ask('GET', `/v1/alerts/by-id/${example?.alert}`)
    assert.equal(found.status, 200)
    assert.equal(report.reviews.lost.alerts, 1)
  })

  test('no longer blocks whom it leaves to a person', async (t) => {
    const service = await open(t)
    await service.alert(record('203.0.113.1', { severity: 80 }))
    const report = await simulate(service, { policy: looser })
    assert.deepEqual([report.newly_blocked.addresses, report.no_longer_blocked.addresses], [0, 1])
    assert.deepEqual(report.reviews.questions, { before: 0, after: 1 })
  })

  test('that blocks the network around an attacker still blocks its neighbours', async (t) => {
    const service = await open(t)
    await service.alert([record('203.0.113.1'), record('203.0.113.2', { severity: 75 })])
    const wide = plainPolicy
      .replace('alert.severity >= 70', 'alert.severity >= 78')
      .replace('for: 1h }', 'for: 1h, ipv4_prefix: 24 }')
    const report = await simulate(service, { policy: wide })
    assert.equal(report.no_longer_blocked.addresses, 0)
    assert.deepEqual(report.blocks.made, { before: 2, after: 1 })
  })

  test('is stopped where it takes the protection away from an address that it blocks', async (t) => {
    const service = await open(t)
    await service.alert(record('198.51.100.70'))
    const bare = plainPolicy.replace(/ {2}- \{ address: 198[^\n]*\n/, '')
    const report = await simulate(service, { policy: bare })
    assert.deepEqual([report.protection_lost.addresses, report.newly_blocked.addresses], [1, 1])
  })

  test('tells which protected addresses its rules would hit, and which of them newly', async (t) => {
    const service = await open(t)
    await service.alert([record('10.0.0.1'), record('10.0.0.2', { severity: 65 })])
    const report = await simulate(service, { policy: stricter })
    assert.deepEqual([report.protected_hits.addresses, report.protected_hits.new], [2, 1])
    assert.equal(report.protected_hits.examples[0]?.rule, 'severe')
    assert.equal(report.newly_blocked.addresses, 0)
  })

  test('blocks a repeat offender longer, by the blocks that it made itself', async (t) => {
    const service = await open(t)
    for (let n = 0; n < 3; n++) {
      await service.alert(record('203.0.113.1'))
      service.clock.now += 1.5 * 3_600_000
    }
    const growing = plainPolicy.replace(
      'for: 1h }',
      'for: 1h, escalate: { factor: 2, ceiling: 1d } }',
    )
    const report = await simulate(service, { policy: growing })
    assert.deepEqual(report.blocks.made, { before: 3, after: 2 })
    assert.equal(report.blocks.longest[0]?.length_ms, 2 * 3_600_000)
  })

  test('counts what was seen before the time that is replayed', async (t) => {
    const service = await open(t)
    for (let n = 0; n < 3; n++) await service.alert(record('203.0.113.1', { severity: 10 }))
    service.clock.now += 60_000
    const since = new Date(service.clock.now).toISOString()
    await service.alert(record('203.0.113.1', { severity: 10 }))
    const counting = plainPolicy.replace('alert.severity >= 70', 'seen("10m") >= 4')
    const report = await simulate(service, { policy: counting, since })
    assert.deepEqual([report.alerts, report.newly_blocked.addresses], [1, 1])
  })

  test('that is no policy is refused where it is wrong, and nothing runs', async (t) => {
    const service = await open(t)
    const answer = await service.ask('POST', '/v1/policy/simulate', {
      body: { policy: 'rules: 7' },
    })
    assert.equal(answer.status, 400)
    assert.equal(answer.body.code, 'policy_invalid')
    await simulate(service, {})
  })

  test('can be looked at rule by rule', async (t) => {
    const service = await open(t)
    await service.alert([
      record('203.0.113.1', { severity: 65 }),
      record('203.0.113.2', { severity: 10 }),
    ])
    const report = await simulate(service, { policy: stricter, rule: 'severe' })
    assert.deepEqual(
      report.rules.map(({ rule }) => rule),
      ['doubtful', 'severe'],
    )
    assert.deepEqual(report.outcomes.after, { block: 1, review: 0, watch: 0, ignore: 0 })
  })
})

describe('a rule', () => {
  test('that blocks provisionally is counted, at its short length: nobody was asked then', async (t) => {
    const service = await open(t)
    await service.alert(record('203.0.113.1'))
    const asking = plainPolicy.replace(
      'verdict: block, for: 1h }',
      `verdict: block, for: 1h, provisional: { for: 5m, confirm: 'intel("abuseipdb").score >= 50' } }`,
    )
    const report = await simulate(service, { policy: asking })
    assert.deepEqual(report.blocks.provisional, { before: 0, after: 1 })
    assert.equal(report.blocks.longest[0]?.length_ms, 300_000)
  })

  test('that no policy has is no rule to look at', async (t) => {
    const service = await open(t)
    const answer = await service.ask('POST', '/v1/policy/simulate', { body: { rule: 'sever' } })
    assert.equal(answer.status, 400)
    assert.equal(answer.body.remedy, 'did you mean "severe"?')
  })
})

describe('a list or a provider that the draft names', () => {
  const listing = plainPolicy.replace('alert.severity >= 70', 'listed("bad")')

  test('and that was not known then is counted, and never taken as clean', async (t) => {
    const service = await open(t)
    await service.alert(record('203.0.113.1', { severity: 20 }))
    const report = await simulate(service, {
      policy: plainPolicy.replace('alert.severity >= 70', 'listed("good") == false'),
    })
    assert.deepEqual(report.unknown.sources, [{ source: 'good', alerts: 1 }])
    assert.equal(report.unknown.alerts, 1)
    assert.equal(report.newly_blocked.alerts, 0)
  })

  test('is judged by as it was known then', async (t) => {
    const of: FactSources['of'] = (attacker) => ({
      ...nothingOutside,
      lists: attacker.text === '203.0.113.1' ? ['bad'] : [],
      ready: ['bad'],
    })
    const service = await open(t, { sources: { ...noSources, of } })
    await service.alert([1, 2].map((n) => record(`203.0.113.${n}`, { severity: 20 })))
    const report = await simulate(service, { policy: listing })
    assert.deepEqual(
      report.newly_blocked.examples.map(({ address }) => address),
      ['203.0.113.1'],
    )
    assert.equal(report.unknown.alerts, 0)
  })

  test('that answered then is believed, and one that was not asked then is not known', async (t) => {
    const said: IntelligenceFact = {
      state: 'answered',
      verdict: 'malicious',
      score: 90,
      trusted: false,
      tags: [],
      summary: 'seen before',
      ageMs: 0,
    }
    const sources: FactSources = {
      ...noSources,
      of: () => ({ ...nothingOutside, askable: ['abuseipdb'] }),
      ask: async () => ({ abuseipdb: said }),
    }
    const asking = plainPolicy.replace(
      'alert.severity >= 70',
      'alert.severity >= 70 && intel("abuseipdb").score >= 95',
    )
    const service = await open(t, { sources, policy: asking })
    await service.alert([record('203.0.113.1'), record('203.0.113.2', { severity: 65 })])
    await service.flow.asking.settled()
    const lower = asking.replace('>= 95', '>= 50').replace('severity >= 70', 'severity >= 60')
    const report = await simulate(service, { policy: lower })
    assert.deepEqual(
      report.newly_blocked.examples.map(({ address }) => address),
      ['203.0.113.1'],
    )
    assert.deepEqual(report.unknown.sources, [{ source: 'abuseipdb', alerts: 1 }])
  })
})

describe('the policy in force, compared with what was decided then', () => {
  test('differs where another policy decided', async (t) => {
    const service = await open(t, { policy: looser })
    await service.alert(record('203.0.113.1', { severity: 80 }))
    service.setPolicy(plainPolicy)
    const report = await simulate(service, {})
    assert.equal(report.compared_with, 'recorded')
    assert.deepEqual([report.newly_blocked.addresses, report.differs_from_recorded], [1, 1])
  })

  test('does not differ in what people said to ignore', async (t) => {
    const service = await open(t)
    const ignored = { target: '203.0.113.1', signature: null, actor: 'alice', reason: 'a test' }
    await service.flow.store.write((tx) =>
      tx
        .insertInto('ignored')
        .values({ id: 'i1', ...ignored, created: startOfTest, until: startOfTest + 3_600_000 })
        .execute(),
    )
    await service.flow.said.refresh(service.flow.store.read, startOfTest)
    await service.alert(record('203.0.113.1'))
    assert.equal((await simulate(service, {})).differs_from_recorded, 0)
  })
})

describe('a simulation', () => {
  test('changes nothing', async (t) => {
    const service = await open(t)
    await service.alert(record('203.0.113.1', { severity: 65 }))
    const state = async () => [
      await service.flow.store.read.selectFrom('decisions').selectAll().execute(),
      await service.flow.store.read.selectFrom('journal').select('hash').execute(),
    ]
    const before = await state()
    await simulate(service, { policy: stricter })
    assert.deepEqual(await state(), before)
  })

  test('is one at a time, and the next may come when it has ended', async (t) => {
    const service = await open(t)
    const running = service.app.request('/v1/policy/simulate', posted(service))
    const second = await service.ask('POST', '/v1/policy/simulate', { body: {} })
    assert.equal(second.status, 409)
    await (await running).text()
    await simulate(service, {})
  })

  test('ends when its caller goes away', async (t) => {
    const service = await open(t)
    const running = await service.app.request('/v1/policy/simulate', posted(service))
    await running.body?.cancel()
    await simulate(service, {})
  })

  test('needs a store that another thread can read, and says so', async (t) => {
    const service = await open(t, { onDisk: false })
    const answer = await service.ask('POST', '/v1/policy/simulate', { body: {} })
    assert.equal(answer.status, 422)
  })
})

async function open(t: TestContext, options: TestServiceOptions = {}): Promise<TestService> {
  const service = await openTestService({ onDisk: true, ...options })
  t.after(() => service.close())
  return service
}

function posted({ admin }: TestService) {
  return { method: 'POST', headers: { authorization: `Bearer ${admin}` }, body: '{}' }
}

/** What the last line says; the lines before it tell how far it was. */
async function simulate(service: TestService, body: object): Promise<Report> {
  const answer = await service.ask('POST', '/v1/policy/simulate', { body })
  assert.equal(answer.status, 200, answer.text)
  const lines = answer.text.trim().split('\n')
  const { report } = JSON.parse(lines.at(-1) ?? '')
  assert.ok(report, answer.text)
  assert.match(lines[0] ?? '', /^\{"progress":\{"done":0,"total":\d+\}\}$/)
  return Report.parse(report)
}
