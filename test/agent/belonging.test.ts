/** Where the service is: what a node never blocks, also when its name leads to many places. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { runAgent } from '../../agent/agent.ts'
import { Belonging } from '../../agent/belonging.ts'
import { connect, resolveHost } from '../../agent/connect.ts'
import { makeIdentity } from '../../agent/identity.ts'
import { writeMembership } from '../../agent/membership.ts'
import { readAgentSettings } from '../../agent/settings.ts'
import { FakeService } from './fake-service.ts'
import { MemoryFirewall } from './memory-firewall.ts'
import { block, issuer, serviceKey, today } from './signer.ts'

const folder = mkdtempSync(join(tmpdir(), 'cordon-belonging-'))
const ends: (() => Promise<void>)[] = []
after(async () => {
  for (const end of ends) await end()
  rmSync(folder, { recursive: true })
})

test('what the name of the service leads to is protected, asked for when the stream comes and every few minutes', async () => {
  const { belonging } = enrolled()
  const asked: string[] = []
  let found = ['192.0.2.1', '2001:db8::1']
  const resolve = async (url: string) => {
    asked.push(url)
    return found
  }
  assert.equal(await belonging.lookUp(resolve, 0, true), true)
  assert.deepEqual(belonging.addresses, ['192.0.2.1', '2001:db8::1'])
  assert.equal(await belonging.lookUp(resolve, 29_999, true), false)
  assert.equal(asked.length, 1, 'a stream that breaks off again and again asks every 30 s')
  assert.equal(await belonging.lookUp(resolve, 30_000, true), false, 'no news')
  found = ['192.0.2.2']
  assert.equal(await belonging.lookUp(resolve, 329_999, false), false)
  assert.equal(await belonging.lookUp(resolve, 330_000, false), true)
  assert.deepEqual(belonging.addresses, ['192.0.2.1', '2001:db8::1', '192.0.2.2'])
  assert.deepEqual(asked, Array(3).fill('https://cordon.example'))
})

test('a name that cannot be resolved takes nothing away', async () => {
  const { belonging } = enrolled(['192.0.2.9'])
  await belonging.lookUp(async () => ['192.0.2.1'], 0, true)
  const failing = async () => Promise.reject(new Error('ENOTFOUND'))
  assert.equal(await belonging.lookUp(failing, 60_000, true), false)
  assert.deepEqual(belonging.addresses, ['192.0.2.9', '192.0.2.1'])
})

test('whoever answers for the name makes a node spare 32 addresses at most', async () => {
  const { belonging } = enrolled(['203.0.113.1'])
  for (let n = 0; n < 10; n++) {
    const all = Array.from({ length: 200 }, (_, i) => `198.51.100.${(n * 32 + i) % 256}`)
    await belonging.lookUp(async () => all, n * 60_000, true)
  }
  assert.equal(belonging.addresses.length, 33)
  assert.equal(belonging.addresses[0], '203.0.113.1', 'where it was met stays')
})

test('a service that answers from many addresses by turns is written to the disk once for each', () => {
  const { belonging, troubles, file } = enrolled()
  const addresses = Array.from({ length: 20 }, (_, n) => `192.0.2.${n}`)
  for (const address of addresses) assert.equal(belonging.meet(address), true)
  const written = statSync(file, { bigint: true }).mtimeNs
  for (let turn = 0; turn < 3; turn++)
    for (const address of addresses) assert.equal(belonging.meet(address), false)
  assert.equal(statSync(file, { bigint: true }).mtimeNs, written)
  assert.deepEqual(troubles, [])
  assert.deepEqual(belonging.addresses, addresses)
  assert.deepEqual(JSON.parse(readFileSync(file, 'utf8')).addresses, addresses.slice(-8))
})

test('what a full disk did not take of the membership is written when it takes again, and then it is well', () => {
  const { belonging, troubles, file } = enrolled()
  rmSync(file)
  mkdirSync(file)
  belonging.join(['web'])
  assert.deepEqual(troubles, ['store_unavailable'])
  belonging.mend()
  assert.deepEqual(troubles, ['store_unavailable', 'store_unavailable'])
  rmSync(file, { recursive: true })
  belonging.mend()
  belonging.mend()
  assert.deepEqual(troubles.slice(2), [undefined])
  assert.deepEqual(JSON.parse(readFileSync(file, 'utf8')).groups, ['web'])
})

test('an address in the URL is asked of nobody, and localhost leads to loopback', async () => {
  assert.deepEqual(await resolveHost('https://192.0.2.1:8443'), [])
  assert.deepEqual(await resolveHost('https://[2001:db8::1]'), [])
  const local = await resolveHost('http://localhost:1')
  assert.ok(local.length > 0 && local.every((one) => one === '127.0.0.1' || one === '::1'))
})

test('an agent refuses a block on an address that the name of its service leads to', {
  timeout: 60_000,
}, async () => {
  const began = performance.now()
  const now = () => Math.round(today + performance.now() - began)
  const service = new FakeService(now, 'all', 'node/web-01')
  const { path } = enrolled([], `http://127.0.0.1:${await service.listen()}`)
  const firewall = new MemoryFirewall()
  const on = {
    version: '1',
    firewall: async () => firewall,
    connect,
    places: { routes4: '/none', routes6: '/none', resolvers: [], sessions: '/none', utmp: '/none' },
    interfaces: () => [],
    local: () => ({ wall: now(), uptime: performance.now(), boot: 'one' }),
    monotonic: () => performance.now(),
    random: () => 0.01,
    nonce: () => `nonce-${Math.random()}-of-this-test`,
    say: () => {},
    resolve: async () => ['203.0.113.1'],
  }
  const agent = await runAgent(readAgentSettings({ CORDON_AGENT_STATE_DIR: path }), on)
  ends.push(
    () => agent.stop(),
    () => service.close(),
  )
  await service.until(() => service.streams === 1)
  service.send('all', [block(1), block(2)])
  await service.until(() => service.receipts.length === 2)
  assert.deepEqual(service.receipts.map(({ status, code }) => [status, code]).sort(), [
    ['applied', undefined],
    ['refused', 'protected_target'],
  ])
  assert.ok(firewall.never.includes('203.0.113.1'))
})

let count = 0
function enrolled(addresses: string[] = [], url = 'https://cordon.example') {
  const path = join(folder, String(count++))
  makeIdentity(path)
  const keys = [serviceKey.public]
  writeMembership(path, {
    ...{ node: 'web-01', groups: [], url, issuer, keys, announced: 0, addresses },
  })
  const troubles: (string | undefined)[] = []
  const belonging = new Belonging(path, (problem) => troubles.push(problem?.code))
  return { path, belonging, troubles, file: join(path, 'service.json') }
}
