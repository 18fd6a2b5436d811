/** What becomes of records that senders post, good and bad. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { maxBody } from '../../actions/api/app.ts'
import { findAlert } from '../../actions/store/alerts.ts'
import { openTestService, record, type TestService } from '../service.ts'

describe('a request with alerts', () => {
  let service: TestService
  before(async () => {
    service = await openTestService()
  })
  after(() => service.close())

  test('that is no JSON is refused, and says so', async () => {
    for (const body of ['{"attacker": ', '', 'attacker=203.0.113.7']) {
      const answer = await service.alert(body)
      assert.deepEqual([answer.status, answer.body.code], [400, 'malformed_json'])
    }
  })

  test('without a Content-Type, or with a wrong one, is taken', async () => {
    for (const type of [undefined, 'text/plain', 'application/x-www-form-urlencoded']) {
      const headers: Record<string, string> = type === undefined ? {} : { 'content-type': type }
      const answer = await service.alert(record('203.0.113.1'), { headers })
      assert.equal(answer.body.stored, 1)
    }
  })

  test('larger than the limit is 413 with what to do', async () => {
    const answer = await service.alert(`"${'x'.repeat(maxBody)}"`)
    assert.deepEqual([answer.status, answer.body.code], [413, 'too_large'])
  })

  test('larger than the limit is 413 also when its Content-Length says so beforehand', async () => {
    const headers = { 'content-length': String(maxBody + 1) }
    const answer = await service.alert('{}', { headers })
    assert.equal(answer.status, 413)
  })

  test('to a connector that does not run is 404 and names those that run', async () => {
    const answer = await service.ask('POST', '/v1/alerts/wazzuh', { body: {} })
    assert.equal(answer.status, 404)
    assert.match(answer.body.remedy ?? '', /webhook, wazuh, suricata/)
  })

  test('of wrong types is answered record by record', async () => {
    const answer = await service.alert([null, 7, 'text', [], {}, true, { severity: 'high' }])
    assert.equal(answer.status, 200)
    assert.equal(answer.body.stored, 0)
    assert.equal(answer.body.items.length, 7)
  })

  test('with fields that nobody knows is taken', async () => {
    const answer = await service.alert(record('203.0.113.2', { nobody: { knows: [1, 2, 3] } }))
    assert.equal(answer.body.stored, 1)
  })

  test('whose attacker is no address blocks nothing', async () => {
    for (const attacker of [
      'example.org',
      '203.0.113.999',
      '203.0.113',
      '0x7f000001',
      '::fffff',
      7,
    ]) {
      const answer = await service.alert({ ...record('x'), attacker })
      assert.equal(answer.status, 200)
      assert.notEqual(answer.body.items[0]?.alerts?.[0]?.outcome, 'block', String(attacker))
    }
  })

  test('that nests deeper than anybody writes refuses that record and stores the rest', async () => {
    const deep = `${'[{"a":'.repeat(70_000)}1${'}]'.repeat(70_000)}`
    const body = `[${JSON.stringify(record('203.0.113.3'))},${deep},{"a":${deep}}]`
    const answer = await service.alert(body)
    assert.equal(answer.status, 200, answer.text.slice(0, 300))
    assert.deepEqual([answer.body.stored, answer.body.refused], [1, 2])
    for (const item of answer.body.items.slice(1)) assert.equal(item.problem?.code, 'invalid_input')
  })

  test('with a record of 10 MB refuses that one alone', async () => {
    const large = record('203.0.113.4', { payload: 'x'.repeat(10_000_000) })
    const answer = await service.alert([record('203.0.113.5'), large, record('203.0.113.6')])
    assert.deepEqual(
      answer.body.items.map(({ status }) => status),
      ['stored', 'refused', 'stored'],
    )
    assert.equal(answer.body.items[1]?.problem?.code, 'too_large')
  })

  test('with more than 10,000 records is refused as a whole, and nothing of it is stored', async () => {
    const records = Array.from({ length: 10_001 }, (_, n) =>
      record('203.0.113.8', { id: `many-${n}` }),
    )
    const answer = await service.alert(records)
    assert.deepEqual([answer.status, answer.body.code], [413, 'too_large'])
    const listed = await service.ask('GET', '/v1/alerts?attacker=203.0.113.8')
    assert.equal(listed.body.alerts.length, 0)
  })

  test('with a text that would break a terminal is shown harmless', async () => {
    const answer = await service.alert(
      record('203.0.113.9', { user: 'a\u001b[31m\u202e', rule: 'x' }),
    )
    assert.equal(answer.body.stored, 1)
    const listed = await service.ask('GET', '/v1/alerts?attacker=203.0.113.9')
    assert.ok(!JSON.stringify(listed.body.alerts[0]?.alert).includes('\u202e","'))
  })
})

describe('ten thousand records of which one is broken', () => {
  test('store 9,999 and refuse one, also when every one makes a decision', async () => {
    const service = await openTestService()
    const records: unknown[] = Array.from({ length: 10_000 }, (_, n) => record(address(n)))
    records[5_000] = { nothing: 'to see' }
    const answer = await service.alert(records)
    assert.equal(answer.status, 200, answer.text.slice(0, 300))
    assert.deepEqual([answer.body.stored, answer.body.refused], [9_999, 1])
    assert.equal(answer.body.items[5_000]?.status, 'refused')
    const journal = await service.ask('GET', '/v1/journal/verify')
    assert.equal(journal.body.whole, true)
    assert.ok(Number(journal.body.lines) >= 9_999)
    await service.close()
  })
})

describe('an alert that comes twice', () => {
  test('in one request gives one decision', async () => {
    const service = await openTestService()
    const same = record('203.0.113.7')
    const { items } = (await service.alert([same, same, same])).body
    assert.deepEqual(
      items.map(({ alerts }) => alerts?.[0]?.result),
      ['stored', 'repeat', 'repeat'],
    )
    assert.equal(new Set(items.map(({ alerts }) => alerts?.[0]?.decision)).size, 1)
    await service.close()
  })

  test('over several requests, at once and later, gives one decision of one alert', async () => {
    const service = await openTestService()
    const same = record('203.0.113.7')
    const answers = await Promise.all([1, 2, 3].map(() => service.alert(same)))
    service.clock.now += 5_000
    answers.push(await service.alert(same))
    const results = answers.flatMap(({ body }) => body.items.map(({ status }) => status))
    assert.deepEqual(results.sort(), ['repeat', 'repeat', 'repeat', 'stored'])
    const { decisions } = (await service.ask('GET', '/v1/decisions')).body
    assert.deepEqual(
      decisions.map(({ alerts }) => alerts),
      [1],
    )
    await service.close()
  })
})

describe('more alerts than can wait', () => {
  test('are refused with when to come again, and nothing of them is stored', async () => {
    const service = await openTestService()
    const seen = await service.alert(record('203.0.113.7'))
    assert.equal(seen.status, 200)
    const found = await findAlert(
      service.flow.store.read,
      seen.body.items[0]?.alerts?.[0]?.alert ?? '',
    )
    assert.ok(found)
    const flood = Array.from({ length: 50_001 }, (_, n) => ({ ...found.alert, id: `flood-${n}` }))
    await assert.rejects(service.flow.recorder.record(flood), { code: 'overloaded' })
    assert.equal(service.flow.recorder.waiting(), 0)
    assert.equal(await findAlert(service.flow.store.read, 'flood-0'), undefined)
    await service.close()
  })
})

describe('an alert by a clock that is wrong', () => {
  for (const [what, offset, code] of [
    ['tells of an attack that is over: it is watched', -3_700_000, 'too_old'],
    ['comes from the future: it is watched', 3_600_000, 'from_the_future'],
  ] as const)
    test(what, async () => {
      const service = await openTestService()
      const timestamp = new Date(service.clock.now + offset).toISOString()
      const answer = await service.alert(record('203.0.113.7', { timestamp }))
      const stored = answer.body.items[0]?.alerts?.[0]
      assert.deepEqual([stored?.outcome, stored?.state], ['watch', 'noted'])
      const shown = await service.ask('GET', `/v1/decisions/${stored?.decision}`)
      assert.equal(shown.body.decision?.reasons[0]?.code, code)
      await service.close()
    })
})

function address(n: number): string {
  return `203.${n >> 16}.${(n >> 8) & 255}.${n & 255}`
}
