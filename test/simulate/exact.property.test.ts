/** The strongest test of the simulator: what the service did without people is what it would do again. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { nothingOutside, nowhere, type Outside } from '../../actions/decide/outside.ts'
import { readPolicy } from '../../actions/decide/policy.ts'
import type { FactSources } from '../../actions/facts/sources.ts'
import { replay } from '../../actions/simulate/replay.ts'
import { openReplayReader } from '../../actions/store/replay.ts'
import { noSources } from '../no-sources.ts'
import { openTestService, startOfTest, type TestService } from '../service.ts'

const policy = `
version: 1
ipv4_prefix: 32
ipv6_prefix: 64
max_alert_age: 2h
ceilings: { blocks_per_minute: 4, blocks_in_force: 7 }
review: { timeout: 300d }
sources: { silent_list: { fail: review } }
protect: [{ address: 10.0.0.0/8, why: ours }]
rules:
  - { name: known, because: it is on a list, when: listed("bad"), verdict: block, for: 30m, audience: [group/edge] }
  - { name: home, because: from home, when: place.country == "NL" && alert.severity < 95, verdict: ignore }
  - { name: trial, because: on trial, when: alert.user == "root", verdict: block, for: 1h, observe: true }
  - name: severe
    because: it is severe
    when: alert.severity >= 80
    verdict: block
    for: 10m
    escalate: { factor: 3, ceiling: 1d }
  - { name: again, because: it comes again, when: seen("20m") >= 4 || distinct_ports("1h") >= 3, verdict: block, for: 5m }
  - { name: sure, because: nobody knows, when: listed("silent_list") && alert.severity >= 60, verdict: block, for: 1h }
  - { name: doubt, because: in doubt, when: alert.severity >= 40, verdict: review, for: 1h }
`

/** One list and the countries are there, another list is not. */
const sources: FactSources = {
  ...noSources,
  of: (attacker): Omit<Outside, 'intelligence'> => ({
    ...nothingOutside,
    place: { ...nowhere, country: attacker.text === '203.0.113.4' ? 'NL' : 'DE' },
    lists: attacker.text === '203.0.113.5' ? ['bad'] : [],
    ready: ['country', 'bad'],
    silent: { silent_list: 'it was never read' },
  }),
}

const alert = fc.record({
  attacker: fc.constantFrom(
    ...Array.from({ length: 12 }, (_, n) => `203.0.113.${n}`),
    '2001:db8::1',
    '2001:db8::2',
    '2001:db8:0:1::1',
    '10.0.0.1',
    '198.51.100.200',
    '127.0.0.1',
  ),
  severity: fc.constantFrom(10, 30, 45, 65, 85, 99),
  rule: fc.constantFrom('a', 'b'),
  user: fc.constantFrom('root', 'alice', 'bob'),
  victim: fc.record({ port: fc.constantFrom(22, 80, 443, 8080) }),
  count: fc.constantFrom(1, 1, 1, 3),
})
const batch = fc.record({
  waitMs: fc.constantFrom(0, 400, 999, 1_000, 5_000, 61_000, 1_200_000, 4_000_000),
  alerts: fc.array(alert, { minLength: 1, maxLength: 6 }),
})
const run = fc.array(batch, { minLength: 1, maxLength: 25 })

describe('the policy that judged, replayed over what it judged', () => {
  test('does the same to every alert: outcome, rule, target, length, and which block it stands behind', async () => {
    let blocks = 0
    await fc.assert(
      fc.asyncProperty(run, async (batches) => {
        const service = await openTestService({ policy, onDisk: true, sources })
        try {
          await sendAll(service, batches)
          const report = await replayed(service, startOfTest)
          assert.equal(report.differs_from_recorded, 0)
          assert.deepEqual(report.outcomes.after, report.outcomes.before)
          assert.equal(report.blocks.made.after, report.blocks.made.before)
          assert.equal(report.reviews.questions.after, report.reviews.questions.before)
          assert.deepEqual(
            [report.newly_blocked.alerts, report.no_longer_blocked.alerts, report.unknown.alerts],
            [0, 0, 0],
          )
          assert.equal(report.alerts, batches.flatMap(({ alerts }) => alerts).length)
          blocks += report.blocks.made.after
        } finally {
          await service.close()
        }
      }),
      { numRuns: 60 },
    )
    assert.ok(blocks > 100, `only ${blocks} blocks were made`)
  })

  test('does the same from the middle on, with what stood and was seen before', async () => {
    await fc.assert(
      fc.asyncProperty(run, run, async (before, after) => {
        const service = await openTestService({ policy, onDisk: true, sources })
        try {
          await sendAll(service, before)
          service.clock.now += 7_200_000
          const middle = service.clock.now
          await sendAll(service, after)
          const report = await replayed(service, middle)
          assert.equal(report.differs_from_recorded, 0)
        } finally {
          await service.close()
        }
      }),
      { numRuns: 30 },
    )
  })
})

type Batches = typeof run extends fc.Arbitrary<infer Value> ? Value : never

async function sendAll(service: TestService, batches: Batches): Promise<void> {
  for (const { waitMs, alerts } of batches) {
    service.clock.now += waitMs
    const answer = await service.alert(alerts.map((alert) => ({ id: `r${++sent}`, ...alert })))
    assert.equal(answer.status, 200, answer.text)
  }
}
let sent = 0

async function replayed(service: TestService, since: number) {
  const db = openReplayReader(join(service.dir, 'cordon.db'))
  try {
    const order = {
      since,
      until: service.clock.now + 1,
      inForce: { policy: readPolicy(policy), text: policy },
      drafts: [],
      around: { own: service.flow.own(), sheltered: [] },
      rule: undefined,
    }
    const [report] = await replay(db, order, () => {})
    assert.ok(report)
    return report
  } finally {
    await db.destroy()
  }
}
