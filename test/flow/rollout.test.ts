/** Wide blocks are tried on a few nodes first: the rest follows when those stay well, or a person is asked. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, type TestContext, test } from 'node:test'
import type { Heartbeat } from '#contract/receipt.ts'
import { claimsOf } from '../claims.ts'
import {
  openTestService,
  plainPolicy,
  record,
  startOfTest,
  type TestService,
  type TestServiceOptions,
} from '../service.ts'

const rollout = `
rollout: { wider_than: { ipv4: 28, ipv6: 64 }, canary: [group/canary], wait: 60s, healthy: 0.9 }
`
const policy = plainPolicy + rollout
const wide = '203.0.113.0/24'

describe('a wide block', () => {
  test('goes to the canary alone, and to everybody once that has confirmed it and stayed well', async (t) => {
    const service = await open(t)
    const { id } = await block(service)
    assert.deepEqual(await standing(service), { all: [], canary: [id] })
    await confirm(service, id, ['canary-1', 'canary-2'])
    await pass(service, 59_000)
    assert.deepEqual(await standing(service), { all: [], canary: [id] })
    await pass(service, 1_000)
    assert.deepEqual(await standing(service), { all: [id], canary: [id] })
    const shown = await show(service, id)
    assert.deepEqual(shown?.audience, ['group/canary', 'all'])
    assert.equal(shown?.rollout?.due, null)
    assert.deepEqual(await actions(service, id), ['decision.issue', 'decision.rollout'])
    await service.ask('POST', `/v1/decisions/${id}/lift`, { body: { reason: 'test' } })
    assert.deepEqual(await standing(service), { all: [], canary: [] })
  })

  const failures: Record<string, (service: TestService, id: string) => Promise<void>> = {
    'too few confirm it': (service, id) => confirm(service, id, ['canary-1']),
    'a node refuses it': async (service, id) => {
      await confirm(service, id, ['canary-1'])
      await confirm(service, id, ['canary-2'], 'refused')
    },
    'a node is not heard of any more': async (service, id) => {
      await confirm(service, id, ['canary-1', 'canary-2'])
      silent.add('canary-2')
    },
    'a node says that it is not well': async (service, id) => {
      await confirm(service, id, ['canary-1', 'canary-2'])
      unwell.set('canary-2', 'the service cannot be reached')
    },
    'a node has let go of it again': async (service, id) => {
      await confirm(service, id, ['canary-1', 'canary-2'])
      await confirm(service, id, ['canary-2'], 'ended')
    },
  }
  for (const [name, happens] of Object.entries(failures))
    test(`is taken back and waits for a person when ${name}`, async (t) => {
      const service = await open(t)
      const { id } = await block(service)
      await happens(service, id)
      await pass(service, 60_000)
      assert.deepEqual(await standing(service), { all: [], canary: [] })
      const shown = await show(service, id)
      assert.deepEqual([shown?.state, shown?.audience], ['waiting', ['all']])
      assert.match(
        shown?.because.join(' ') ?? '',
        /not rolled out, so a person decides: .*(canary-2|1 of 2)/,
      )
      assert.deepEqual(await actions(service, id), ['decision.issue', 'decision.halt'])
    })

  test('that was halted goes to everybody when a person approves it', async (t) => {
    const service = await open(t)
    const { id } = await block(service)
    await pass(service, 60_000)
    assert.equal((await show(service, id))?.state, 'waiting')
    await service.ask('POST', `/v1/decisions/${id}/approve`, { body: { reason: 'it is right' } })
    assert.deepEqual(await standing(service), { all: [id], canary: [] })
  })

  test('goes on after the service was away, and is not halted because nobody was heard meanwhile', async (t) => {
    const dir = mkdtempSync(join(tmpdir(), 'cordon-rollout-'))
    t.after(() => rmSync(dir, { recursive: true, force: true }))
    const first = await open(t, { dir })
    const { id } = await block(first)
    await confirm(first, id, ['canary-1', 'canary-2'])
    const service = await openTestService({ policy, dir, now: first.clock.now + 600_000 })
    t.after(() => service.close())
    assert.equal(await service.flow.rollOut(), 0)
    assert.equal((await show(service, id))?.state, 'applied')
    await pass(service, 90_000)
    assert.deepEqual(await standing(service), { all: [id], canary: [id] })
  })

  test('goes to everybody at once when a person says so, which is journalled', async (t) => {
    const service = await open(t)
    const { id } = await block(service, { at_once: true })
    assert.deepEqual(await standing(service), { all: [id], canary: [] })
    assert.match((await service.ask('GET', `/v1/journal?subject=${id}`)).text, /at_once/)
  })

  test('that needs two people is tried when the second has agreed', async (t) => {
    const two = 'review: { second_approver: { ipv4_prefix: 25, ipv6_prefix: 56 } }\n'
    const service = await open(t, { policy: policy + two })
    const body = { target: wide, for: '1h', reason: 'test' }
    const asked = await service.ask('POST', '/v1/decisions', { body })
    const id = asked.body.decision?.id ?? ''
    assert.deepEqual(await standing(service), { all: [], canary: [] })
    const token = await service.token(['review'])
    const approved = { body: { reason: 'test' }, token }
    await service.ask('POST', `/v1/decisions/${id}/approve`, approved)
    assert.deepEqual(await standing(service), { all: [], canary: [id] })
  })

  test('that limits is tried first too, and an allow is not', async (t) => {
    const service = await open(t)
    const rate = { packets: 20, per: 'second', burst: 40 }
    const limit = await block(service, { action: 'limit', rate })
    const allow = await block(service, { action: 'allow' })
    assert.deepEqual(await standing(service), { all: [allow.id], canary: [limit.id] })
  })

  test('that is prolonged or lifted meanwhile stays with the canary', async (t) => {
    const service = await open(t)
    const { id } = await block(service)
    await service.ask('POST', `/v1/decisions/${id}/extend`, { body: { for: '2h', reason: 'test' } })
    assert.deepEqual(await standing(service), { all: [], canary: [id] })
    await service.ask('POST', `/v1/decisions/${id}/lift`, { body: { reason: 'test' } })
    await pass(service, 60_000)
    assert.deepEqual(await standing(service), { all: [], canary: [] })
    assert.equal((await show(service, id))?.state, 'ended')
  })

  test('is not ordered while no canary is well, with what to do', async (t) => {
    const service = await open(t)
    await pass(service, 0)
    service.clock.now += 200_000
    const answer = await service.ask('POST', '/v1/decisions', {
      body: { target: wide, for: '1h', reason: 'test' },
    })
    assert.equal(answer.body.code, 'conflict')
    assert.match(answer.body.remedy ?? '', /--at-once/)
  })

  test('for some nodes only is tried on those of the canary that are among them', async (t) => {
    const service = await open(t)
    await service.enrol('canary-3', ['canary', 'web'])
    await beat(service, 'canary-3')
    const { id } = await block(service, { audience: ['group/web'] })
    assert.deepEqual((await show(service, id))?.audience, ['node/canary-3'])
  })
})

describe('a block by the policy', () => {
  const widening = `${policy.replace('verdict: block, for: 1h', 'verdict: block, for: 1h, ipv4_prefix: 24')}`

  test('that is wide is tried first too, and what comes meanwhile is evidence for it', async (t) => {
    const service = await open(t, { policy: widening })
    for (const attacker of ['203.0.113.7', '203.0.113.8']) await service.alert(record(attacker))
    const { canary, all } = await standing(service)
    assert.deepEqual([canary.length, all.length], [1, 0])
    assert.equal((await show(service, canary[0] ?? ''))?.alerts, 2)
  })

  test('that was halted is a question, and the next alert does not try it again', async (t) => {
    const service = await open(t, { policy: widening })
    await service.alert(record('203.0.113.7'))
    await pass(service, 60_000)
    await service.alert(record('203.0.113.8'))
    assert.deepEqual(await standing(service), { all: [], canary: [] })
    const { decisions } = (await service.ask('GET', '/v1/decisions')).body
    assert.deepEqual(
      decisions.map(({ state, alerts }) => [state, alerts]),
      [['waiting', 2]],
    )
  })

  test('that was halted is never made by the clock', async (t) => {
    const service = await open(t, {
      policy: `${widening}review: { timeout: 10m, at_timeout: block }\n`,
    })
    await service.alert(record('203.0.113.7'))
    await pass(service, 60_000)
    await pass(service, 600_000)
    await service.flow.review.timeOut()
    assert.deepEqual(await standing(service), { all: [], canary: [] })
  })

  test('is asked about when no canary is well', async (t) => {
    const service = await open(t, { policy: widening })
    service.clock.now += 200_000
    await service.alert(record('203.0.113.7'))
    const [made] = (await service.ask('GET', '/v1/decisions')).body.decisions
    assert.equal(made?.state, 'waiting')
    assert.match(made?.because.join(' ') ?? '', /no node of group\/canary is well/)
  })

  test('of a host goes to everybody at once', async (t) => {
    const service = await open(t)
    await service.alert(record('203.0.113.7'))
    assert.equal((await standing(service)).all.length, 1)
  })
})

const silent = new Set<string>()
const unwell = new Map<string, string>()

async function open(t: TestContext, options: TestServiceOptions = {}): Promise<TestService> {
  silent.clear()
  unwell.clear()
  const service = await openTestService({ policy, ...options })
  t.after(() => service.close())
  for (const name of ['canary-1', 'canary-2']) await service.enrol(name, ['canary'])
  await service.enrol('web-1', ['web'])
  for (const name of nodes) await beat(service, name)
  return service
}
const nodes = ['canary-1', 'canary-2', 'web-1']

async function beat(service: TestService, node: string): Promise<void> {
  const problem = unwell.get(node)
  const heartbeat: Heartbeat = {
    version: '1',
    backend: 'netlink',
    enforcing: true,
    cursor: '',
    claims: 0,
    elements: 0,
    clock_offset_ms: 0,
    started: startOfTest,
    interval_ms: 15_000,
    events: [],
    ...(problem !== undefined && { problem }),
  }
  await service.flow.takeHeartbeat(node, heartbeat)
}

/** Nodes send their heartbeats and the clock has its turn, second by second. */
async function pass(service: TestService, ms: number): Promise<void> {
  for (let passed = 0; passed <= ms; passed += 15_000) {
    for (const name of nodes) if (!silent.has(name)) await beat(service, name)
    await service.flow.rollOut()
    const step = Math.min(15_000, ms - passed)
    service.clock.now += step
  }
  for (const name of nodes) if (!silent.has(name)) await beat(service, name)
  await service.flow.rollOut()
}

async function block(service: TestService, more: object = {}): Promise<{ id: string }> {
  const body = { target: wide, for: '1h', reason: 'test', ...more }
  const answer = await service.ask('POST', '/v1/decisions', { body })
  assert.equal(answer.status, 201, answer.text)
  return { id: answer.body.decision?.id ?? '' }
}

async function confirm(
  service: TestService,
  decision: string,
  names: readonly string[],
  status: 'applied' | 'refused' | 'ended' = 'applied',
): Promise<void> {
  const place = { audience: 'group/canary', epoch: 1, seq: 1, at: service.clock.now }
  for (const name of names) await service.flow.acknowledge(name, [{ decision, status, ...place }])
}

async function standing(service: TestService) {
  const ids = async (audience: string) =>
    (await claimsOf(service.flow.store.read, audience, service.clock.now)).map(
      ({ decision }) => decision,
    )
  return { all: await ids('all'), canary: await ids('group/canary') }
}

async function show(service: TestService, id: string) {
  return (await service.ask('GET', `/v1/decisions/${id}`)).body.decision
}

async function actions(service: TestService, id: string): Promise<string[]> {
  const { timeline } = (await service.ask('GET', `/v1/decisions/${id}`)).body
  return timeline.map(({ action }) => action).filter((action) => action.startsWith('decision.'))
}
