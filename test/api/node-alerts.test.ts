/** Port scans as nodes report them: each for itself, judged by the policy, and repeats recognised. */
import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import type { ScanReport } from '#contract/scan.ts'
import { openTestService, startOfTest } from '../service.ts'

const policy = `
version: 1
rules:
  - { name: scanners, because: it scans, when: 'alert.rule.id == "port_scan"', verdict: block, for: 1h }
`
const scan: ScanReport = {
  ...{ kind: 'scan', source: '203.0.113.7', ports: ['tcp/22', 'udp/161'], count: 15 },
  ...{ window: startOfTest, update: 0, first: startOfTest, last: startOfTest },
}

describe('port scans that a node reports', async () => {
  const service = await openTestService({ policy, connectors: ['portscan'] })
  after(() => service.close())
  const web = await service.enrol('web-01')
  const db = await service.enrol('db-01')
  const report = async (reports: unknown[], token: string | null = web.bearer()) =>
    service.ask('POST', '/v1/node/alerts', { token, body: { reports } })

  test('become alerts about that node, which the policy judges', async () => {
    const { status, body } = await report([scan])
    assert.deepEqual([status, body.stored], [200, 1])
    const found = await service.ask('GET', '/v1/alerts?attacker=203.0.113.7')
    const [{ alert }] = JSON.parse(found.text).alerts
    assert.deepEqual(
      [alert.source, alert.rule.id, alert.rule.mitre, alert.victim, alert.count],
      ['portscan', 'port_scan', ['T1046'], { host: 'web-01' }, 15],
    )
    const decisions = await service.ask('GET', '/v1/decisions?target=203.0.113.7')
    assert.deepEqual(
      decisions.body.decisions.map(({ state }) => state),
      ['issued'],
    )
  })

  test('are repeats when they are sent again, and not when they are an update or another node', async () => {
    const again = JSON.parse((await report([scan])).text)
    assert.deepEqual([again.stored, again.repeats], [0, 1])
    const update = JSON.parse((await report([{ ...scan, update: 1, count: 30 }])).text)
    assert.deepEqual([update.stored, update.repeats], [1, 0])
    const other = JSON.parse((await report([scan], db.bearer())).text)
    assert.deepEqual([other.stored, other.repeats], [1, 0])
  })

  test('cannot be of another node', async () => {
    const { status, body } = await report([{ ...scan, node: 'db-01' }])
    assert.deepEqual([status, body.code], [400, 'invalid_input'])
  })

  test('are taken from nodes only', async () => {
    assert.equal((await report([scan], null)).status, 401)
    const { status, body } = await report([scan], await service.token(['ingest']))
    assert.deepEqual([status, body.code], [403, 'forbidden'])
  })

  test('block nobody when they name none', async () => {
    const { first, last } = scan
    const flood = { kind: 'flood', sources: 65_000, window: first, update: 0, first, last }
    const { body } = await report([flood])
    assert.equal(body.stored, 1)
  })
})

test('a service without the connector says what to do', async () => {
  const service = await openTestService({ policy })
  const node = await service.enrol('web-01')
  const { status, body } = await service.ask('POST', '/v1/node/alerts', {
    token: node.bearer(),
    body: { reports: [scan] },
  })
  assert.deepEqual([status, body.code], [404, 'not_found'])
  assert.match(String(body.remedy), /portscan in CORDON_CONNECTORS/)
  await service.close()
})
