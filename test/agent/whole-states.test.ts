/** What a node that holds nothing yet does while its firewall is being proved. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { BlockAction } from '#contract/action.ts'
import { Problem } from '#contract/problem.ts'
import { type AgentOn, runAgent } from '../../agent/agent.ts'
import { type ConnectTo, connect, type Service } from '../../agent/connect.ts'
import { makeIdentity } from '../../agent/identity.ts'
import type { Firewall } from '../../agent/kernel/firewall.ts'
import { writeMembership } from '../../agent/membership.ts'
import { readAgentSettings } from '../../agent/settings.ts'
import { FakeService } from './fake-service.ts'
import { MemoryFirewall } from './memory-firewall.ts'
import { block, issuer, serviceKey, today } from './signer.ts'

const folder = mkdtempSync(join(tmpdir(), 'cordon-whole-states-'))
const ends: (() => Promise<void>)[] = []
after(async () => {
  for (const end of ends) await end()
  rmSync(folder, { recursive: true })
})
let count = 0
const began = performance.now()
const now = () => Math.round(today + performance.now() - began)
const timeout = 60_000

test('a node that holds nothing has asked for its whole state when its firewall is proved', {
  timeout,
}, async () => {
  const { service, path } = await enrolled([block(1), block(2)])
  const firewall = new MemoryFirewall()
  await run(path, async () => {
    await service.until(() => service.chunksAsked === 1)
    return firewall
  })
  await service.until(() => service.receipts.length === 2)
  assert.deepEqual([...firewall.held.keys()], ['in_hosts4 203.0.113.1', 'in_hosts4 203.0.113.2'])
  await service.until(() => service.streams === 1)
  // Of `all` and of the node itself: what was asked ahead is not asked again.
  assert.equal(service.snapshots, 2)
})

test('an order beyond a plain block is judged by the proof of the firewall, also when it came before', {
  timeout,
}, async () => {
  const { service, path } = await enrolled([block(1), block(2, { protocol: 'tcp' }), block(3)])
  const firewall = new MemoryFirewall()
  firewall.expresses = { scopes: false, reject: false }
  await run(path, async () => {
    await service.until(() => service.chunksAsked === 1)
    return firewall
  })
  await service.until(() => service.receipts.length === 3)
  const said = service.receipts.map(({ decision, code }) => [Number(decision.slice(2)), code])
  assert.deepEqual(said.sort(), [
    [1, undefined],
    [2, 'unsupported'],
    [3, undefined],
  ])
})

test('a state that came before the firewall was proved cannot block the service that it came from', {
  timeout,
}, async () => {
  const { service, path } = await enrolled([block(1), block(2)])
  const firewall = new MemoryFirewall()
  const met = (to: ConnectTo) => ({
    ...to,
    heard: (_: string | undefined, date: number | undefined) => to.heard?.('203.0.113.1', date),
  })
  const proved = async () => {
    await service.until(() => service.chunksAsked === 1)
    return firewall
  }
  await run(path, proved, { connect: (to) => connect(met(to)) })
  await service.until(() => service.receipts.length === 2)
  assert.deepEqual(service.receipts.map(({ status, code }) => [status, code]).sort(), [
    ['applied', undefined],
    ['refused', 'protected_target'],
  ])
  assert.ok(firewall.never.includes('203.0.113.1'))
})

test('nor an address that the name of the service leads to', { timeout }, async () => {
  const { path, service } = await enrolled([block(1), block(2)])
  const firewall = new MemoryFirewall()
  const first = Promise.withResolvers<unknown>()
  const proved = async () => {
    await first.promise
    // By then every row of it was judged.
    await new Promise((resolve) => setImmediate(resolve))
    return firewall
  }
  const resolve = async () => ['203.0.113.2']
  await run(path, proved, { connect: telling(first.resolve), resolve })
  await service.until(() => service.receipts.length === 2)
  const refused = service.receipts.filter(({ status }) => status === 'refused')
  assert.deepEqual(
    refused.map(({ decision, code }) => [Number(decision.slice(2)), code]),
    [[2, 'protected_target']],
  )
  assert.ok(firewall.never.includes('203.0.113.2'))
})

test('a node without a firewall does not start, and asks for no more of the state', {
  timeout,
}, async () => {
  const { service, path } = await enrolled(Array.from({ length: 40_000 }, (_, n) => block(n)))
  const asked: Promise<unknown>[] = []
  let askedAtEnd = Number.NaN
  const noting = (to: ConnectTo): Service => {
    const connection = telling((chunk) => asked.push(chunk))(to)
    return {
      ...connection,
      close: () => {
        connection.close()
        askedAtEnd = asked.length
      },
    }
  }
  const none = async () => {
    await service.until(() => service.chunksAsked === 1)
    throw new Problem('firewall_missing', 'there is none')
  }
  await assert.rejects(run(path, none, { connect: noting }), { code: 'firewall_missing' })
  await Promise.allSettled(asked)
  await new Promise((resolve) => setImmediate(resolve))
  assert.ok(askedAtEnd < 8, `${askedAtEnd} of 8 chunks were asked for`)
  assert.equal(asked.length, askedAtEnd)
})

test('a node that remembers its blocks enforces them, and asks for no state', {
  timeout,
}, async () => {
  const { service, path } = await enrolled([block(1)])
  const first = await run(path, async () => new MemoryFirewall())
  await service.until(() => service.receipts.length === 1 && service.streams === 1)
  await first.stop()
  await service.until(() => service.streams === 0)
  const { snapshots } = service
  const firewall = new MemoryFirewall()
  await run(path, async () => firewall)
  assert.deepEqual([...firewall.held.keys()], ['in_hosts4 203.0.113.1'])
  await service.until(() => service.streams === 1)
  assert.equal(service.snapshots, snapshots)
})

/** A connection that tells of each chunk that is asked for. */
function telling(tell: (chunk: Promise<string>) => void): (to: ConnectTo) => Service {
  return (to) => {
    const connection = connect(to)
    return {
      ...connection,
      text: (path) => {
        const chunk = connection.text(path)
        tell(chunk)
        return chunk
      },
    }
  }
}

async function enrolled(state: BlockAction[]) {
  const service = new FakeService(now, 'all', 'node/web-01')
  service.state.set('all', state)
  const url = `http://127.0.0.1:${await service.listen()}`
  const path = join(folder, String(count++))
  makeIdentity(path)
  const keys = [serviceKey.public]
  writeMembership(path, {
    ...{ node: 'web-01', groups: [], url, issuer, keys, announced: 0, addresses: [] },
  })
  ends.push(() => service.close())
  return { service, path }
}

async function run(path: string, firewall: () => Promise<Firewall>, more: Partial<AgentOn> = {}) {
  const agent = await runAgent(readAgentSettings({ CORDON_AGENT_STATE_DIR: path }), {
    version: '1',
    firewall,
    connect,
    places: { routes4: '/none', routes6: '/none', resolvers: [], sessions: '/none', utmp: '/none' },
    interfaces: () => [],
    local: () => ({ wall: now(), uptime: performance.now(), boot: 'one' }),
    monotonic: () => performance.now(),
    random: () => 0.01,
    nonce: () => `nonce-${Math.random()}-of-this-test`,
    say: () => {},
    ...more,
  })
  ends.unshift(() => agent.stop())
  return agent
}
