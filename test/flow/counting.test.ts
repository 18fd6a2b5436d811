/** What counting rules see of an attacker that tries to be many, or to be from tomorrow. */
import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { printTime } from '#contract/time.ts'
import { openTestService, record, startOfTest, type TestService } from '../service.ts'

const policy = `
version: 1
rules:
  - { name: often, because: it comes often, when: 'seen("10m") >= 5', verdict: block, for: 1h }
`

describe('a counting rule', () => {
  test('counts the hosts of one IPv6 /64 together, in one request and over several', async (t) => {
    for (const together of [true, false]) {
      const service = await open(t)
      const records = [1, 2, 3, 4, 5].map((n) => record(`2001:db8:0:1::${n}`))
      if (together) await service.alert(records)
      else for (const one of records) await service.alert(one)
      assert.deepEqual(await blocked(service), ['2001:db8:0:1::/64'])
    }
  })

  test('counts neighbours of another /64, and IPv4 neighbours, each by themselves', async (t) => {
    const service = await open(t)
    await service.alert([1, 2, 3, 4, 5].map((n) => record(`2001:db8:0:${n}::1`)))
    await service.alert([1, 2, 3, 4, 5].map((n) => record(`203.0.113.${n}`)))
    assert.deepEqual(await blocked(service), [])
  })

  test('is not blinded by a thousand alerts that are dated tomorrow', async (t) => {
    const service = await open(t)
    const tomorrow = printTime(startOfTest + 86_400_000)
    await service.alert(
      Array.from({ length: 1_100 }, () => record('203.0.113.7', { observed: tomorrow })),
    )
    assert.deepEqual(await blocked(service), [])
    for (let n = 0; n < 5; n++) await service.alert(record('203.0.113.7'))
    assert.deepEqual(await blocked(service), ['203.0.113.7'])
  })

  test('is not blinded by such alerts in the same request', async (t) => {
    const service = await open(t)
    const tomorrow = printTime(startOfTest + 86_400_000)
    const late = Array.from({ length: 990 }, () => record('203.0.113.7', { observed: tomorrow }))
    for (let n = 0; n < 4; n++) await service.alert(record('203.0.113.7'))
    await service.alert([...late, ...late, record('203.0.113.7')])
    assert.deepEqual(await blocked(service), ['203.0.113.7'])
  })
})

describe('the list of alerts', () => {
  test('of one IPv6 attacker leaves its neighbours out', async (t) => {
    const service = await open(t)
    await service.alert([1, 2, 2].map((n) => record(`2001:db8:0:1::${n}`)))
    const answer = await service.ask('GET', '/v1/alerts?attacker=2001:db8:0:1::2')
    const read: { alerts: { alert: { attacker: string } }[] } = JSON.parse(answer.text)
    assert.deepEqual(
      read.alerts.map(({ alert }) => alert.attacker),
      ['2001:db8:0:1::2', '2001:db8:0:1::2'],
    )
  })
})

async function blocked(service: TestService): Promise<(string | null)[]> {
  const rows = await service.flow.store.read
    .selectFrom('decisions')
    .select('target')
    .where('issued', 'is not', null)
    .execute()
  return rows.map(({ target }) => target)
}

async function open(t: TestContext): Promise<TestService> {
  const service = await openTestService({ policy })
  t.after(() => service.close())
  return service
}
