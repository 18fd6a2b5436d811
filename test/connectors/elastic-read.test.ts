/** What is read in an alert of Elastic, beyond the samples: odd bodies, and who is never named. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { openTestService } from '../service.ts'
import { elasticAlert, start } from './elastic-world.ts'
import { load, now } from './samples.ts'

const connector = await load('elastic')
function read(record: unknown, settings: object = {}) {
  return connector.read?.(record, { settings: connector.settings.parse(settings), now }) ?? []
}
function attackers(more: Record<string, unknown>, settings: object = {}) {
  return read(elasticAlert(1, start, { source: undefined, ...more }), settings).map(
    ({ attacker }) => attacker,
  )
}

describe('bodies of Kibana', () => {
  const one = elasticAlert(1, start)._source
  const two = elasticAlert(2, start)._source

  test('may hold several alerts, one, or none', () => {
    assert.equal(read({ alerts: [one, two] }).length, 2)
    assert.equal(read({ alerts: one }).length, 1)
    assert.equal(read({ context: { alerts: [one] } }).length, 1)
    assert.deepEqual(read({ alerts: [] }), [])
  })

  test('may hold alerts as text, joined without brackets', () => {
    assert.equal(read({ alerts: `${JSON.stringify(one)},${JSON.stringify(two)}` }).length, 2)
    assert.equal(read({ alerts: JSON.stringify([one, two]) }).length, 2)
  })

  test('with broken JSON inside are refused as such', () => {
    assert.throws(() => read({ alerts: '{"a":' }), { code: 'malformed_json' })
    assert.throws(() => read('{"alerts":[{},]}'), { code: 'malformed_json' })
  })

  test('with one alert that names no rule lose none of the others', async (t) => {
    const service = await openTestService({ connectors: ['elastic'] })
    t.after(() => service.close())
    const body = { alerts: [{ source: { ip: '203.0.113.7' } }, 'junk', one] }
    const answer = await service.ask('POST', '/v1/alerts/elastic', { body })
    const { stored, refused, items } = answer.body
    assert.deepEqual([answer.status, stored, refused], [200, 1, 2])
    assert.deepEqual(
      items.map(({ status }: { status: string }) => status),
      ['refused', 'refused', 'stored'],
    )
    assert.match(answer.text, /the alert names no rule/)
  })

  test('an alert is the same asked for and pushed', () => {
    const [asked] = read(elasticAlert(1, start))
    const [pushed] = read({ alerts: [one] })
    assert.equal(asked?.id, pushed?.id)
  })
})

describe('nobody is named an attacker', () => {
  test('by a translated or a forwarded address', () => {
    assert.deepEqual(attackers({ 'source.nat.ip': '203.0.113.7' }), [undefined])
    assert.deepEqual(attackers({ 'network.forwarded_ip': '203.0.113.7' }), [undefined])
  })

  test('by a reason, a message or related addresses', () => {
    const more = { 'related.ip': ['203.0.113.7'], message: 'from 203.0.113.7' }
    assert.deepEqual(attackers({ ...more, 'kibana.alert.reason': 'by 203.0.113.7' }), [undefined])
  })

  test('who is the host itself', () => {
    const host = { 'source.ip': '198.51.100.5', 'host.ip': ['198.51.100.5'] }
    assert.deepEqual(attackers(host), [undefined])
  })

  test('by a threshold over our side, or over several addresses', () => {
    const grouped = (terms: object[]) => ({ 'kibana.alert.threshold_result': { terms, count: 9 } })
    for (const field of [
      'destination.ip',
      'dst_ip',
      'server.address',
      'dns.resolved_ip',
      'host.ip',
    ])
      assert.deepEqual(attackers(grouped([{ field, value: '203.0.113.7' }])), [undefined], field)
    const two = ['203.0.113.7', '203.0.113.8'].map((value) => ({ field: 'x.ip', value }))
    assert.deepEqual(attackers(grouped(two)), [undefined])
  })

  test('by an indicator that a person looked up later, or that is one of our own addresses', () => {
    const enriched = (type: string, atomic: string) => ({
      'threat.enrichments': [{ matched: { type, atomic, field: 'destination.ip' } }],
    })
    assert.deepEqual(attackers(enriched('investigation_time', '203.0.113.7')), [undefined])
    assert.deepEqual(attackers(enriched('indicator_match_rule', '10.0.0.7')), [undefined])
  })
})

test('a threshold over a field of one’s own names who was counted', () => {
  for (const field of ['nginx.access.remote_ip', 'clientip', 'remote_host', 'sourceAddress'])
    assert.deepEqual(
      attackers({
        'kibana.alert.threshold_result': { terms: [{ field, value: '203.0.113.7' }], count: 9 },
      }),
      ['203.0.113.7'],
      field,
    )
})

test('a setting names where else the attacker stands', () => {
  const more = { labels: { attacker: ['203.0.113.7', '2001:db8::1'] } }
  assert.deepEqual(attackers(more, { attacker_fields: 'labels.attacker' }), [
    '203.0.113.7',
    '2001:db8::1',
  ])
})

test('the word of the severity wins over a risk score that contradicts it', () => {
  const severity = (word: string, risk: number) =>
    read(
      elasticAlert(1, start, { 'kibana.alert.severity': word, 'kibana.alert.risk_score': risk }),
    )[0]?.rule.severity
  assert.deepEqual([severity('high', 55), severity('low', 99), severity('high', 80)], [70, 39, 80])
})
