/** Which records are one alert, and which only look like it. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { load, now } from './samples.ts'

const minute = 60_000

async function read(name: string, record: unknown, at = now) {
  const connector = await load(name)
  return connector.read?.(record, { settings: connector.settings.parse({}), now: at }) ?? []
}
async function idOf(name: string, record: unknown, at = now) {
  return (await read(name, record, at))[0]?.id
}

const event = {
  timestamp: '2026-03-01T04:05:06.123456+0100',
  flow_id: 77,
  event_type: 'alert',
  src_ip: '203.0.113.7',
  dest_ip: '10.5.5.5',
  proto: 'TCP',
  alert: { action: 'blocked', gid: 1, signature_id: 2030000, severity: 1 },
}
const alert = {
  timestamp: '2026-03-01T04:05:06.123+0100',
  rule: { id: '5710', level: 5, description: 'sshd', groups: ['sshd'] },
  agent: { id: '002', name: 'web' },
  manager: { name: 'one' },
  id: '1772334306.100',
  data: { srcip: '203.0.113.7' },
}

describe('a repeat is recognised by its id', () => {
  test('a drop event is its alert once more', async () => {
    const drop = { ...event, event_type: 'drop', drop: { reason: 'rules' } }
    assert.equal(await idOf('suricata', drop), await idOf('suricata', event))
  })

  test('another transaction of a flow, or another rule, is another alert', async () => {
    const ids = [
      await idOf('suricata', event),
      await idOf('suricata', { ...event, tx_id: 1 }),
      await idOf('suricata', { ...event, tx_id: 2 }),
      await idOf('suricata', { ...event, alert: { ...event.alert, signature_id: 2030001 } }),
    ]
    assert.equal(new Set(ids).size, ids.length)
  })

  test('an alert of Wazuh is the same from its file and from the indexer', async () => {
    assert.equal(
      await idOf('wazuh', `${JSON.stringify(alert)}\r`),
      await idOf('wazuh', { _index: 'wazuh-alerts-4.x-2026.03.01', _source: { ...alert } }),
    )
  })

  test('an id of Wazuh counts only for one manager and node', async () => {
    const ids = [
      await idOf('wazuh', alert),
      await idOf('wazuh', { ...alert, manager: { name: 'two' } }),
      await idOf('wazuh', { ...alert, cluster: { node: 'worker' } }),
    ]
    assert.equal(new Set(ids).size, ids.length)
  })

  test('several attackers of one record have an id each', async () => {
    const alerts = await read('webhook', { ip: ['203.0.113.7', '203.0.113.8', '203.0.113.7'] })
    assert.deepEqual(
      alerts.map(({ attacker }) => attacker),
      ['203.0.113.7', '203.0.113.8'],
    )
    assert.equal(new Set(alerts.map(({ id }) => id)).size, 2)
  })

  test('a body without a time is a repeat within the minute, and news a month later', async () => {
    const body = { attacker: '203.0.113.7', rule: 'honeypot' }
    assert.equal(await idOf('webhook', body), await idOf('webhook', body, now + minute - 1))
    assert.notEqual(await idOf('webhook', body), await idOf('webhook', body, now + 43_200 * minute))
  })
})

describe('a body that cannot be understood says why', () => {
  test('with neither attacker nor rule', async () => {
    await assert.rejects(read('webhook', { hello: 'world' }), {
      code: 'invalid_input',
      message: 'the record names neither an attacker nor a rule',
    })
  })

  test('with more attackers than one record may name', async () => {
    const ip = Array.from({ length: 300 }, (_, n) => `2001:db8::${n.toString(16)}`)
    await assert.rejects(read('webhook', { ip }), { code: 'invalid_input' })
  })

  test('an alert of Wazuh without a rule id', async () => {
    await assert.rejects(read('wazuh', { ...alert, rule: { level: 3 } }), { code: 'invalid_input' })
  })
})
