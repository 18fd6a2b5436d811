/** The whole agent over loopback, with a kernel that is a Map. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import type { BlockAction } from '#contract/action.ts'
import { type Agent, runAgent } from '../../agent/agent.ts'
import { connect } from '../../agent/connect.ts'
import { makeIdentity } from '../../agent/identity.ts'
import { writeMembership } from '../../agent/membership.ts'
import { readAgentSettings } from '../../agent/settings.ts'
import { askStatus } from '../../agent/status.ts'
import { FakeService } from './fake-service.ts'
import { MemoryFirewall } from './memory-firewall.ts'
import {
  block,
  decision,
  feedStatement,
  issuer,
  lift,
  list,
  makeKey,
  Sequence,
  serviceKey,
  today,
} from './signer.ts'

const folder = mkdtempSync(join(tmpdir(), 'cordon-agent-'))
const ends: (() => Promise<void>)[] = []
after(async () => {
  for (const end of ends) await end()
  rmSync(folder, { recursive: true })
})
let count = 0
const began = performance.now()
/** Of the service and of its nodes: to a node whose clock goes on alone the service's would seem to be set back. */
const now = () => Math.round(today + performance.now() - began)

describe('a node', () => {
  test('takes the whole state at its first start, then follows, enforces and answers', {
    timeout: 60_000,
  }, async () => {
    const { service, firewall, agent } = await start()
    await service.until(() => service.streams === 1)
    service.send('all', [block(1)])
    service.send('node/web-01', [block(2)])
    await service.until(() => service.receipts.length === 2)
    assert.deepEqual(firewall.keys(), hosts(1, 2))
    const { connected, enforcing, claims, problems } = agent.status()
    assert.deepEqual(
      { connected, enforcing, claims, problems },
      { connected: true, enforcing: true, claims: 2, problems: [] },
    )
  })

  test('starts and enforces what it remembers while the service is away, and finds it when it comes', {
    timeout: 60_000,
  }, async () => {
    const first = await start()
    await first.service.until(() => first.service.streams === 1)
    first.service.send('all', [block(1)])
    await first.service.until(() => first.service.receipts.length === 1)
    await first.agent.stop()
    assert.deepEqual(first.firewall.keys(), hosts(1), 'the blocks stay in the kernel')
    await first.service.close()

    const firewall = new MemoryFirewall()
    const agent = await run(first.path, firewall)
    assert.deepEqual(firewall.keys(), hosts(1))
    assert.deepEqual(firewall.never.includes('192.0.2.10'), true)
    assert.equal(agent.status().connected, false)

    const service = new FakeService(now, 'all', 'node/web-01')
    for (const audience of service.audiences.keys())
      service.audiences.set(audience, new Sequence(audience, first.service.sequence(audience).at))
    ends.push(() => service.close())
    await service.listen(first.port)
    await service.until(() => service.streams === 1)
    await service.until(() => service.receipts.length > 0)
    assert.deepEqual(
      service.receipts.map(({ status, seq }) => [status, seq]),
      [['applied', 1]],
      'said once more',
    )
    service.send('all', [lift(1)])
    await service.until(() => service.receipts.length > 1)
    assert.deepEqual(firewall.keys(), [])
    assert.equal(service.snapshots, 0, 'the stream went on where it was')
  })

  test('changes nothing when one chunk of the whole state is missing', {
    timeout: 60_000,
  }, async () => {
    const { service, firewall, agent } = await start()
    await service.until(() => service.streams === 1)
    service.send('all', [block(1)])
    await service.until(() => service.receipts.length === 1)
    service.state.set(
      'all',
      [2, 3, 4, 5].map((n) => block(n)),
    )
    service.missingChunk = true
    const asked = service.snapshots
    service.write('resync', JSON.stringify({ audience: 'all', reason: 'pruned' }))
    await service.until(() => service.snapshots >= asked + 2)
    assert.deepEqual(firewall.keys(), hosts(1))
    assert.equal(agent.status().problems[0]?.code, 'snapshot_incomplete')
    service.missingChunk = false
    await service.until(() => service.receipts.length >= 6 && service.streams === 1)
    assert.deepEqual(firewall.keys(), hosts(2, 3, 4, 5))
  })

  test('follows the others while the state of one audience is refused to it', {
    timeout: 60_000,
  }, async () => {
    const { service, firewall, agent } = await start({}, 0, 'all')
    await service.until(() => service.streams === 1)
    service.send('node/web-01', [block(2)])
    await service.until(() => service.receipts.length === 1)
    assert.deepEqual(firewall.keys(), hosts(2))
    assert.deepEqual(
      agent.status().problems.map(({ part, code }) => [part, code]),
      [['state', 'forbidden']],
    )
    service.state.set('all', [block(1)])
    service.forbidden = ''
    await service.until(() => service.receipts.length === 2)
    assert.deepEqual(firewall.keys(), hosts(1, 2))
    await turns(() => agent.status().problems.length === 0)
  })

  test('refuses of the whole state only what it does not understand, and says so', {
    timeout: 60_000,
  }, async () => {
    const { service, firewall } = await start({
      all: [block(1), block(2, JSON.parse('{"direction":"sideways"}')), block(3)],
    })
    await service.until(() => service.receipts.length === 3)
    assert.deepEqual(firewall.keys(), hosts(1, 3))
    assert.deepEqual(service.receipts.map((one) => [one.decision, one.status, one.code]).sort(), [
      [decision(1), 'applied', undefined],
      [decision(2), 'refused', 'unsupported'],
      [decision(3), 'applied', undefined],
    ])
  })

  test('shows a restored service what it signed last, and takes the new epoch', {
    timeout: 60_000,
  }, async () => {
    const { service, firewall } = await start()
    await service.until(() => service.streams === 1)
    const newest = service.send('all', [block(1)])
    await service.until(() => service.receipts.length === 1)
    service.audiences.set('all', new Sequence('all'))
    service.state.set('all', [block(9)])
    service.write('resync', JSON.stringify({ audience: 'all', reason: 'ahead' }))
    await service.until(() => service.proofs.length > 0 && service.receipts.length >= 3)
    assert.equal(service.proofs[0], newest)
    await service.until(
      () => service.streams === 1 && (service.cursors.at(-1) ?? '').includes('all:2:'),
    )
    service.send('all', [block(10)])
    await service.until(() => service.receipts.some((one) => one.decision === decision(10)))
    assert.deepEqual(firewall.keys(), hosts(10, 9))
  })

  test('learns a new signing key from the announcement of the old one', {
    timeout: 60_000,
  }, async () => {
    const { service, firewall, path } = await start()
    await service.until(() => service.streams === 1)
    service.rotate('all')
    service.send('all', [block(1)])
    await service.until(() => service.receipts.length === 1)
    assert.deepEqual(firewall.keys(), hosts(1))
    assert.equal(JSON.parse(readFileSync(join(path, 'service.json'), 'utf8')).keys.length, 2)
  })

  test('does not obey a relay that signs with its own key, says so, and goes on with the service', {
    timeout: 60_000,
  }, async () => {
    const { service, firewall, agent } = await start()
    await service.until(() => service.streams === 1)
    const relay = new Sequence('all', service.sequence('all').at, makeKey())
    service.write('envelope', relay.next([block(66)]))
    await service.until(() => service.cursors.length >= 2 && service.streams === 1)
    assert.equal(
      agent.status().problems.find((one) => one.part === 'trust')?.code,
      'envelope_key_unknown',
    )
    service.send('all', [block(1)])
    await service.until(() => service.receipts.length === 1)
    assert.deepEqual(firewall.keys(), hosts(1))
    assert.deepEqual(agent.status().problems, [])
  })

  test('takes the state of a group that it joins, and lets go of one that it leaves', {
    timeout: 60_000,
  }, async () => {
    const { service, firewall } = await start()
    await service.until(() => service.streams === 1)
    service.audiences.set('group/web', new Sequence('group/web'))
    service.state.set('group/web', [block(5)])
    service.write('groups', JSON.stringify({ groups: ['web'] }))
    await service.until(() => service.receipts.length === 1)
    assert.deepEqual(firewall.keys(), hosts(5))
    await service.until(
      () => service.streams === 1 && (service.cursors.at(-1) ?? '').includes('group/web'),
    )
    service.audiences.delete('group/web')
    service.write('groups', JSON.stringify({ groups: [] }))
    await service.until(() => service.receipts.length === 2)
    assert.deepEqual(firewall.keys(), [])
    assert.equal(service.receipts.at(-1)?.status, 'ended')
  })

  test('puts back what somebody else took out of the table, and reports it', {
    timeout: 60_000,
  }, async () => {
    const { service, firewall, agent } = await start()
    await service.until(() => service.streams === 1)
    service.send('all', [block(1)])
    await service.until(() => service.receipts.length === 1)
    firewall.disturb('the ruleset was flushed by process 4711')
    await agent.settled()
    assert.deepEqual(firewall.keys(), hosts(1))
    await turns(() => agent.status().last_healing !== undefined)
    assert.equal(agent.status().last_healing?.why, 'the ruleset was flushed by process 4711')
  })

  test('says that the table was gone also while the kernel refuses an order beyond plain blocks', {
    timeout: 60_000,
  }, async () => {
    const { service, firewall, agent } = await start()
    await service.until(() => service.streams === 1)
    firewall.refusingScoped = true
    service.send('all', [block(1), block(2, { protocol: 'tcp' })])
    await service.until(() => service.receipts.length === 2)
    firewall.disturb('the ruleset was flushed by process 4711')
    await turns(() => agent.status().last_healing !== undefined)
    assert.deepEqual(firewall.keys(), hosts(1))
    assert.equal(agent.status().last_healing?.why, 'the ruleset was flushed by process 4711')
    assert.equal(agent.status().enforcing, false)
  })

  test('enforces the lists that its stream names, heals them, keeps them over a restart, and tells of them', {
    timeout: 60_000,
  }, async () => {
    const { service, firewall, agent, path } = await start()
    const { named, chunks } = list('drop', today, ['203.0.113.0/25', '203.0.113.200'])
    for (const [digest, text] of chunks) service.lists.set(digest, text)
    await service.until(() => service.streams === 1)
    service.write('feeds', feedStatement('all', today, [named]))
    const told = () => service.heartbeats.at(-1)?.feeds?.map((one) => [one.feed, one.status])
    await service.until(() => told()?.[0]?.[1] === 'applied')
    assert.deepEqual(firewall.listed(), ['203.0.113.0/25', '203.0.113.200'])
    firewall.disturb('the ruleset was flushed by process 4711')
    // How soon depends on how long the last load took.
    await service.until(() => firewall.listed().length === 2)
    const { feeds, enforcing } = await askStatus(path)
    assert.deepEqual([feeds?.[0]?.entries, feeds?.[0]?.version, enforcing], [2, today, true])
    await agent.stop()
    firewall.feedSteps.length = 0
    const again = await run(path, firewall)
    await again.settled()
    assert.match(firewall.feedSteps.join(), /^fill ([ab]),empty (?!\1)/)
    assert.equal(firewall.listed().length, 2)
  })

  test('goes on following when a statement about lists is forged, and says so', {
    timeout: 60_000,
  }, async () => {
    const { service, firewall, agent } = await start()
    await service.until(() => service.streams === 1)
    service.write('feeds', feedStatement('all', today, [], { key: makeKey() }))
    service.send('all', [block(1)])
    await service.until(() => service.receipts.length === 1)
    assert.deepEqual(firewall.keys(), hosts(1))
    // The service is asked first whether it has announced that key.
    await turns(() => agent.status().problems.length > 0)
    assert.deepEqual(
      agent.status().problems.map(({ part, code }) => [part, code]),
      [['feeds', 'envelope_key_unknown']],
    )
    assert.equal(service.cursors.length, 1, 'the stream is the same')
  })

  test('lets a person hear of a healing within a second, not with the next interval', {
    timeout: 60_000,
  }, async () => {
    const { service, firewall } = await start()
    await service.until(() => service.streams === 1)
    const healed = () =>
      service.heartbeats.findIndex((one) => one.events.some(({ kind }) => kind === 'healed'))
    firewall.disturb('the ruleset was flushed by process 4711')
    const began = performance.now()
    await service.until(() => healed() >= 0)
    // How soon exactly is shown by a clock that is held (heart.test.ts); the interval is half a minute.
    assert.ok(performance.now() - began < 10_000)
  })

  test('is not started a second time on the same state folder, and says which process holds it', {
    timeout: 60_000,
  }, async () => {
    const { path, firewall, agent } = await start()
    await assert.rejects(run(path, firewall), {
      code: 'conflict',
      message: new RegExp(`process ${process.pid}\\b`),
      remedy: /stop it first/,
    })
    await agent.stop()
    await (await run(path, firewall)).stop()
  })

  test('tells the truth over its status socket', { timeout: 60_000 }, async () => {
    const { service, firewall, agent, path } = await start()
    await service.until(() => service.streams === 1)
    firewall.refusing = true
    service.send('all', [block(1)])
    await service.until(() => service.receipts.length === 1)
    assert.equal(service.receipts[0]?.status, 'failed')
    const status = await askStatus(path)
    assert.deepEqual(
      [status.enforcing, status.problems[0]?.code, status.claims],
      [false, 'kernel_refused', 1],
    )
    assert.deepEqual(status.cursor, agent.status().cursor)
    assert.match(status.cursor, /^all:1:1:/)
  })

  test('measures the clock of the service and judges by it', { timeout: 60_000 }, async () => {
    const asked = performance.now()
    // The way of an answer, and what has passed since.
    const off = (ms: number) => Math.abs(ms) <= 100 + performance.now() - asked
    const { service, agent, firewall } = await start({}, 3_600_000)
    await turns(() => agent.status().clock_measured)
    const offset = agent.status().clock_offset_ms
    assert.ok(off(offset - 3_600_000), `${offset}`)
    service.send('all', [block(1, { not_after: now() + 3_600_000 + 60_000 })])
    await service.until(() => service.receipts.length === 1)
    const held = [...firewall.held.values()][0]?.timeoutMs ?? 0
    assert.ok(off(held - 60_000), `${held}`)
  })
})

async function start(state: Record<string, BlockAction[]> = {}, ahead = 0, forbidden = '') {
  const service = new FakeService(() => now() + ahead, 'all', 'node/web-01')
  service.forbidden = forbidden
  for (const [audience, blocks] of Object.entries(state)) service.state.set(audience, blocks)
  const port = await service.listen()
  const path = join(folder, String(count++))
  makeIdentity(path)
  const url = `http://127.0.0.1:${port}`
  writeMembership(path, {
    node: 'web-01',
    groups: [],
    url,
    issuer,
    keys: [serviceKey.public],
    announced: 0,
    addresses: [],
  })
  const firewall = new MemoryFirewall()
  ends.push(() => service.close())
  return { service, port, path, firewall, agent: await run(path, firewall) }
}

async function run(path: string, firewall: MemoryFirewall): Promise<Agent> {
  const began = performance.now()
  const nothing = {
    routes4: '/none',
    routes6: '/none',
    resolvers: [],
    sessions: '/none',
    utmp: '/none',
  }
  const agent = await runAgent(readAgentSettings({ CORDON_AGENT_STATE_DIR: path }), {
    version: '1',
    firewall: async () => firewall,
    connect,
    places: nothing,
    interfaces: () => ['192.0.2.10'],
    local: () => ({ wall: now(), uptime: performance.now() - began, boot: String(began) }),
    monotonic: () => performance.now(),
    random: () => 0.01,
    nonce: () => `nonce-${Math.random()}-of-this-test`,
    say: () => {},
  })
  ends.unshift(() => agent.stop())
  return agent
}

/** Resolves when it is so, looking at every turn of this process. */
async function turns(so: () => boolean): Promise<void> {
  while (!so()) await new Promise(setImmediate)
}

function hosts(...numbers: number[]): string[] {
  return numbers.map((n) => `in_hosts4 203.0.113.${n}`)
}
