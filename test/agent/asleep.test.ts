/** A machine that slept, and a service whose word about the time is not its own. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { runAgent } from '../../agent/agent.ts'
import { connect } from '../../agent/connect.ts'
import { makeIdentity } from '../../agent/identity.ts'
import { writeMembership } from '../../agent/membership.ts'
import { readAgentSettings } from '../../agent/settings.ts'
import { FakeService } from './fake-service.ts'
import { MemoryFirewall } from './memory-firewall.ts'
import { block, issuer, serviceKey, today } from './signer.ts'

const folder = mkdtempSync(join(tmpdir(), 'cordon-asleep-'))
const ends: (() => Promise<void>)[] = []
after(async () => {
  for (const end of ends) await end()
  rmSync(folder, { recursive: true })
})

test('after the machine slept its blocks have the time that is left, and those that ended are gone', {
  timeout: 60_000,
}, async () => {
  const { service, firewall, agent, machine, said } = await start()
  service.send('all', [block(1), block(2, { not_after: today + 120_000 })])
  await service.until(() => service.receipts.length === 2)
  assert.equal(firewall.held.size, 2)
  machine.asleep += 300_000
  service.now = () => today + 300_000 + passed()
  service.write('head', service.sequence('all').head({ iat: today / 1_000 + 300 }))
  await service.until(() => service.receipts.some(({ status }) => status === 'ended'))
  const [held, ...more] = [...firewall.held.values()]
  assert.equal(more.length, 0)
  const left = held?.timeoutMs ?? 0
  assert.ok(left <= 300_000 && left > 299_000 - passed(), `${left}`)
  assert.ok(said.some((line) => line.startsWith('the machine slept for 300 s')))
  assert.deepEqual(agent.status().problems, [])
})

test('a relay that tells another year lets no block go, and a signature of that time is believed', {
  timeout: 60_000,
}, async () => {
  const year = 365 * 86_400_000
  const { service, agent, firewall, said } = await start(today + year)
  service.send('all', [block(1)])
  await service.until(() => service.receipts.length === 1)
  assert.equal(firewall.held.size, 1)
  assert.deepEqual([agent.status().connected, agent.status().clock_measured], [false, false])
  const disputes = () => said.filter((line) => line.includes('another time than it signs')).length
  assert.equal(disputes(), 1)
  const iat = (today + year) / 1_000
  service.write('head', service.sequence('all').head({ iat, exp: iat + 45 }))
  await service.until(() => service.receipts.some(({ status }) => status === 'ended'))
  assert.equal(agent.status().clock_measured, true)
  assert.equal(firewall.held.size, 0)
})

const began = performance.now()
/** Goes on for all alike: to a node whose clock goes on alone the service's would seem to be set back. */
const passed = () => Math.round(performance.now() - began)

async function start(serviceTime = today) {
  const service = new FakeService(() => serviceTime + passed(), 'all', 'node/web-01')
  const url = `http://127.0.0.1:${await service.listen()}`
  const path = mkdtempSync(join(folder, 'node-'))
  makeIdentity(path)
  const keys = [serviceKey.public]
  writeMembership(path, {
    ...{ node: 'web-01', groups: [], url, issuer, keys, announced: 0, addresses: [] },
  })
  const firewall = new MemoryFirewall()
  const machine = { asleep: 0 }
  const said: string[] = []
  const agent = await runAgent(readAgentSettings({ CORDON_AGENT_STATE_DIR: path }), {
    version: '1',
    firewall: async () => firewall,
    connect,
    places: { routes4: '/none', routes6: '/none', resolvers: [], sessions: '/none', utmp: '/none' },
    interfaces: () => ['192.0.2.10'],
    local: () => ({
      wall: today + passed(),
      uptime: performance.now() - began + machine.asleep,
      boot: String(began),
    }),
    monotonic: () => performance.now(),
    random: () => 0.01,
    nonce: () => `nonce-${Math.random()}-of-this-test`,
    say: (line) => said.push(line),
  })
  ends.unshift(() => agent.stop())
  ends.push(() => service.close())
  await service.until(() => service.streams === 1)
  return { service, firewall, agent, machine, said }
}
