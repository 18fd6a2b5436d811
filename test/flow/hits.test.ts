/** What nodes still stop: kept by node, shown with the decision, and a reason for a block to go on. */
import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import type { DecisionHits, Heartbeat, Receipt } from '#contract/receipt.ts'
import { openTestService, plainPolicy, record, startOfTest, type TestService } from '../service.ts'

const minute = 60_000
const renewing = plainPolicy.replace(
  'verdict: block, for: 1h',
  'verdict: block, for: 1h, renew: { while_hitting: 10m, at_most: 150m }',
)

describe('hits', () => {
  test('of several nodes are added up, and the latest of their times counts', async (t) => {
    const service = await open(t)
    const id = await block(service)
    await beat(service, 'web-01', [{ decision: id, packets: 5, last: startOfTest - 3_000 }])
    await beat(service, 'web-02', [{ decision: id, packets: 2, last: startOfTest - 1_000 }])
    assert.deepEqual(await shown(service, id), { packets: 7, last: '2026-03-01T02:59:59.000Z' })
  })

  test('of one node are as it says them last, also when it began anew', async (t) => {
    const service = await open(t)
    const id = await block(service)
    for (const packets of [5, 9, 3])
      await beat(service, 'web-01', [{ decision: id, packets, last: startOfTest }])
    assert.equal((await shown(service, id))?.packets, 3)
    assert.match(
      (await service.ask('GET', '/metrics')).text,
      /cordon_stopped_total\{node="web-01"\} 12/,
    )
  })

  test('come with receipts as well, and are counted once', async (t) => {
    const service = await open(t)
    const id = await block(service)
    await beat(service, 'web-01', [{ decision: id, packets: 5, last: startOfTest - 60_000 }])
    await receive(service, 'web-01', { decision: id, status: 'applied' })
    assert.equal((await shown(service, id))?.packets, 5)
    const hits = { packets: 12, last: startOfTest - 1_000 }
    await receive(service, 'web-01', { decision: id, status: 'ended', hits })
    assert.deepEqual(await shown(service, id), { packets: 12, last: '2026-03-01T02:59:59.000Z' })
    assert.match(
      (await service.ask('GET', '/metrics')).text,
      /cordon_stopped_total\{node="web-01"\} 12/,
    )
    await receive(service, 'web-01', { decision: `d-${'0'.repeat(16)}`, status: 'ended', hits })
    assert.equal((await rows(service)).length, 1)
  })

  test('of a receipt that waited while heartbeats went are counted already', async (t) => {
    const service = await open(t)
    const id = await block(service)
    const late = { packets: 5, last: startOfTest - 60_000 }
    await beat(service, 'web-01', [{ decision: id, packets: 12, last: startOfTest - 1_000 }])
    await receive(service, 'web-01', { decision: id, status: 'applied', hits: late })
    assert.deepEqual(await shown(service, id), { packets: 12, last: '2026-03-01T02:59:59.000Z' })
    assert.match(
      (await service.ask('GET', '/metrics')).text,
      /cordon_stopped_total\{node="web-01"\} 12/,
    )
  })

  test('of a decision that a node got through two audiences are counted once', async (t) => {
    const service = await open(t)
    const id = await block(service, ['all', 'node/web-01'])
    const hits = [4, 7].map((packets) => ({ decision: id, packets, last: startOfTest }))
    await beat(service, 'web-01', hits)
    assert.equal((await shown(service, id))?.packets, 7)
    assert.match(
      (await service.ask('GET', '/metrics')).text,
      /cordon_stopped_total\{node="web-01"\} 7/,
    )
  })

  test('later than now are of now: the clock of the node is wrong', async (t) => {
    const service = await open(t)
    const id = await block(service)
    await beat(service, 'web-01', [{ decision: id, packets: 1, last: startOfTest + 3_600_000 }])
    assert.equal((await shown(service, id))?.last, '2026-03-01T03:00:00.000Z')
  })

  test('of a decision that is for other nodes, or that does not exist, are left out', async (t) => {
    const service = await open(t)
    const id = await block(service, ['node/web-02'])
    const nobodys = `d-${'0'.repeat(16)}`
    const hits = [id, nobodys].map((decision) => ({ decision, packets: 1, last: startOfTest }))
    await beat(service, 'web-01', hits)
    assert.equal(await shown(service, id), null)
    assert.deepEqual(await rows(service), [])
  })

  test('of a revoked node are not inherited by the next node of its name', async (t) => {
    const service = await open(t)
    const id = await block(service)
    await beat(service, 'web-01', [{ decision: id, packets: 5, last: startOfTest }])
    await service.ask('POST', '/v1/nodes/web-01/revoke')
    await service.enrol('web-01')
    assert.deepEqual(await rows(service), [])
  })

  test('stand in what is exported, and not in the journal', async (t) => {
    const service = await open(t)
    const id = await block(service)
    await beat(service, 'web-01', [{ decision: id, packets: 5, last: startOfTest }])
    const { text } = await service.ask('GET', '/v1/journal/export?format=ndjson')
    assert.match(text, /"packets":5,"last_hit":"2026-03-01T03:00:00.000Z"/)
    assert.doesNotMatch((await service.ask('GET', '/v1/journal')).text, /packets/)
  })
})

describe('a block whose rule renews it', () => {
  test('goes on near its end while a node stops something by it, up to its longest', async (t) => {
    const service = await open(t, renewing)
    const id = await policyBlock(service)
    assert.equal(await renewAt(service, id, 59 * minute + 50_000, 55 * minute), '04:59:50')
    assert.equal(await renewAt(service, id, 119 * minute + 40_000, 119 * minute), '05:30:00')
    assert.equal(await renewAt(service, id, 149 * minute + 50_000, 149 * minute), '05:30:00')
    const { text } = await service.ask('GET', `/v1/journal?subject=${id}`)
    assert.match(text, /decision\.extend/)
    assert.match(text, /still hit: 7 packets, the last 4m 50s ago/)
  })

  test('ends when nobody came lately', async (t) => {
    const service = await open(t, renewing)
    const id = await policyBlock(service)
    assert.equal(await renewAt(service, id, 59 * minute + 50_000, 49 * minute), '04:00:00')
  })

  test('goes on alone: another of the same rule that stops nothing ends', async (t) => {
    const service = await open(t, renewing)
    const id = await policyBlock(service)
    const other = (await service.alert(record('203.0.113.9'))).body.items[0]?.alerts?.[0]?.decision
    assert.equal(await renewAt(service, id, 59 * minute + 50_000, 58 * minute), '04:59:50')
    const { decision } = (await service.ask('GET', `/v1/decisions/${other}`)).body
    assert.equal(decision?.not_after?.slice(11, 19), '04:00:00')
  })

  test('goes on also where many others near their end that nobody comes by any more', async (t) => {
    const service = await open(t, renewing)
    const quiet = Array.from({ length: 120 }, (_, at) => record(`203.0.113.${100 + at}`))
    await service.alert(quiet)
    service.clock.now += 5_000
    const id = await policyBlock(service)
    const hit = 58 * minute
    assert.equal(await renewAt(service, id, 59 * minute + 52_000, hit), '04:59:52')
  })

  test('is not looked at before it nears its end', async (t) => {
    const service = await open(t, renewing)
    const id = await policyBlock(service)
    assert.equal(await renewAt(service, id, 30 * minute, 30 * minute), '04:00:00')
  })

  test('ends when its target is protected since', async (t) => {
    const service = await open(t, renewing)
    const id = await policyBlock(service)
    service.setPolicy(renewing.replace('198.51.100.64/28', '203.0.113.0/28'))
    assert.equal(await renewAt(service, id, 59 * minute + 50_000, 59 * minute), '04:00:00')
  })

  test('stays the policy’s own: nobody has decided on it', async (t) => {
    const service = await open(t, renewing)
    const id = await policyBlock(service)
    await renewAt(service, id, 59 * minute + 50_000, 59 * minute)
    const { decision } = (await service.ask('GET', `/v1/decisions/${id}`)).body
    assert.equal(decision?.actor, null)
  })
})

test('a block by hand is not renewed: whoever ordered it said how long', async (t) => {
  const service = await open(t, renewing)
  const id = await block(service)
  assert.equal(await renewAt(service, id, 59 * minute + 50_000, 59 * minute), '04:00:00')
})

test('a rule may ask whether what is blocked still comes', async (t) => {
  const service = await open(
    t,
    plainPolicy.replace(
      'rules:',
      'rules:\n  - { name: persistent, because: it goes on, when: still_hitting("10m"), verdict: review, for: 7d }',
    ),
  )
  const id = await policyBlock(service)
  await service.alert(record('203.0.113.7'))
  await beat(service, 'web-01', [{ decision: id, packets: 1, last: startOfTest }])
  const answer = await service.alert(record('203.0.113.7'))
  assert.equal(answer.body.items[0]?.alerts?.[0]?.outcome, 'review')
})

/** The end of the block once the clock has had its turn at that time, having been hit last at the other. */
async function renewAt(service: TestService, id: string, at: number, hit: number): Promise<string> {
  service.clock.now = startOfTest + at
  await beat(service, 'web-01', [{ decision: id, packets: 7, last: startOfTest + hit }])
  await service.flow.renew()
  const { decision } = (await service.ask('GET', `/v1/decisions/${id}`)).body
  return decision?.not_after?.slice(11, 19) ?? ''
}

async function receive(
  service: TestService,
  node: string,
  { decision, status, hits }: Pick<Receipt, 'decision' | 'status' | 'hits'>,
): Promise<void> {
  const place = { audience: 'all', epoch: 1, seq: 1, at: startOfTest } as const
  const receipt: Receipt = { ...place, decision, status, ...(hits ? { hits } : {}) }
  await service.flow.acknowledge(node, [receipt])
}

async function beat(service: TestService, node: string, hits: DecisionHits[]): Promise<void> {
  const heartbeat: Heartbeat = {
    version: '1',
    backend: 'netlink',
    enforcing: true,
    cursor: '',
    claims: 0,
    elements: 0,
    clock_offset_ms: 0,
    started: startOfTest,
    events: [],
    hits,
  }
  await service.flow.takeHeartbeat(node, heartbeat)
}

async function policyBlock(service: TestService): Promise<string> {
  const answer = await service.alert(record('203.0.113.7'))
  return answer.body.items[0]?.alerts?.[0]?.decision ?? ''
}

async function block(service: TestService, audience = ['all']): Promise<string> {
  const order = { target: '203.0.113.7', lengthMs: 60 * minute, audience }
  return (await service.flow.orders.order(order, { actor: 'token/test', reason: 'test' })).id
}

async function shown(service: TestService, id: string) {
  return (await service.ask('GET', `/v1/decisions/${id}`)).body.decision?.hits
}

function rows(service: TestService) {
  return service.flow.store.read.selectFrom('hits').selectAll().execute()
}

async function open(t: TestContext, policy = plainPolicy): Promise<TestService> {
  const service = await openTestService({ policy })
  t.after(() => service.close())
  for (const name of ['web-01', 'web-02']) await service.enrol(name)
  return service
}
