/** Allow, limit, and blocks of a part of the traffic: what people and rules order reaches the nodes as it was meant. */
import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import type { StandingAction } from '#contract/action.ts'
import { claimsOf } from '../claims.ts'
import { openTestService, plainPolicy, record, type TestService } from '../service.ts'

const rate = { packets: 20, per: 'second', burst: 40 } as const
const who = { for: '1h', reason: 'test' }

describe('an order by hand', () => {
  test('of a part of the traffic goes to the nodes with all that narrows it', async (t) => {
    const service = await open(t)
    const scope = { interface: 'eth0', protocol: 'tcp', ports: ['22', '8000-8100'] }
    const { shown } = await order(service, { ...scope, response: 'reject', direction: 'in' })
    assert.equal(
      shown?.what,
      'block 203.0.113.7 with an answer, only tcp ports 22, 8000-8100 at eth0',
    )
    const [claim] = await claims(service)
    assert.deepEqual(
      { ...claim, issued: 0, not_after: 0 },
      {
        action: 'block',
        decision: shown?.id,
        target: '203.0.113.7',
        direction: 'in',
        issued: 0,
        not_after: 0,
        reason: 'test',
        response: 'reject',
        ...scope,
      },
    )
  })

  test('to limit carries its rate', async (t) => {
    const service = await open(t)
    const { shown } = await order(service, { action: 'limit', rate })
    assert.deepEqual([shown?.action, shown?.rate], ['limit', rate])
    const [claim] = await claims(service)
    assert.deepEqual(claim?.action === 'limit' && claim.rate, rate)
  })

  test('keeps what it is when it is extended, lifted, and the lift is undone', async (t) => {
    const service = await open(t)
    const { shown } = await order(service, { action: 'limit', rate, protocol: 'udp' })
    const path = `/v1/decisions/${shown?.id}`
    await service.ask('POST', `${path}/extend`, { body: { for: '2h', reason: 'test' } })
    const [extended] = await claims(service)
    assert.deepEqual([extended?.action, extended?.protocol], ['limit', 'udp'])
    await service.ask('POST', `${path}/lift`, { body: { reason: 'test' } })
    assert.deepEqual(await claims(service), [])
    await service.ask('POST', `/v1/review/${shown?.id}/undo`, { body: { reason: 'test' } })
    const [again] = await claims(service)
    assert.deepEqual([again?.action, again?.protocol], ['limit', 'udp'])
  })

  const refusals = {
    'ports without a protocol': [{ ports: ['22'] }, 'invalid_input', /ports without a protocol/],
    'ports of a protocol that has none': [
      { protocol: 'icmp', ports: ['22'] },
      'invalid_input',
      /icmp has no ports/,
    ],
    'a limit without a rate': [{ action: 'limit' }, 'invalid_input', /without a rate/],
    'a block with a rate': [{ rate }, 'invalid_input', /block takes no rate/],
    'an allow that rejects': [
      { action: 'allow', response: 'reject' },
      'invalid_input',
      /takes no response/,
    ],
    'a protocol of the other family': [
      { protocol: 'icmpv6' },
      'invalid_input',
      /icmpv6 is none of IPv4/,
    ],
    'a limit of what is protected': [
      { action: 'limit', rate, target: '10.1.2.3' },
      'protected_target',
      /private network/,
    ],
    'a block of one port of what is protected': [
      { protocol: 'tcp', ports: ['80'], target: '10.1.2.3' },
      'protected_target',
      /private network/,
    ],
    'an allow wider than the ceiling': [
      { action: 'allow', target: '203.0.0.0/16' },
      'too_wide',
      /ceiling of \/24/,
    ],
    'an allow of what is never blocked': [
      { action: 'allow', target: '10.1.2.3' },
      'protected_target',
      /is never blocked anyway/,
    ],
  } as const
  for (const [name, [body, code, says]] of Object.entries(refusals))
    test(`is refused for ${name}, with what to do`, async (t) => {
      const service = await open(t)
      const { answer } = await order(service, body)
      assert.equal(answer.body.code, code)
      assert.match(answer.body.detail ?? '', says)
      assert.ok(answer.body.remedy)
      assert.deepEqual(await claims(service), [])
    })
})

describe('what is allowed', () => {
  test('is said to be so by why, with who said it and until when', async (t) => {
    const service = await open(t)
    await order(service, { action: 'allow', target: '203.0.113.0/28' })
    const { body } = await service.ask('GET', '/v1/why?address=203.0.113.7')
    assert.deepEqual([body.ordered, body.blocked], [false, false])
    const { decision: _, ...allowed } = body.allowed as Record<string, unknown>
    assert.deepEqual(allowed, {
      until: '2026-03-01T04:00:00.000Z',
      by: 'token/test-admin',
      reason: 'test',
      only: '',
    })
  })

  test('is not blocked by the policy meanwhile, and is again when its time is over', async (t) => {
    const service = await open(t)
    await order(service, { action: 'allow' })
    await service.alert(record('203.0.113.7'))
    const [noted] = (await service.ask('GET', '/v1/decisions?state=noted')).body.decisions
    assert.equal(noted?.outcome, 'ignore')
    assert.match(noted?.because.join(' ') ?? '', /is allowed by token\/test-admin until/)
    service.clock.now += 3_600_001
    const answer = await service.alert(record('203.0.113.7'))
    assert.equal(answer.body.items[0]?.alerts?.[0]?.outcome, 'block')
  })

  test('for one port only does not keep the policy from a block', async (t) => {
    const service = await open(t)
    await order(service, { action: 'allow', protocol: 'tcp', ports: ['443'] })
    const answer = await service.alert(record('203.0.113.7'))
    assert.equal(answer.body.items[0]?.alerts?.[0]?.outcome, 'block')
  })

  test('stays so when its address is lifted, and counts for no block', async (t) => {
    const service = await open(t)
    const { shown: allow } = await order(service, { action: 'allow' })
    const { shown: block } = await order(service, {})
    const metrics = async () => (await service.ask('GET', '/metrics')).text
    assert.match(await metrics(), /^cordon_blocks_in_force 1$/m)
    const { body } = await service.ask('POST', '/v1/addresses/lift', {
      body: { target: '203.0.113.7', reason: 'test' },
    })
    assert.deepEqual(
      body.lifted.map(({ id }) => id),
      [block?.id],
    )
    assert.deepEqual(
      (await claims(service)).map(({ decision }) => decision),
      [allow?.id],
    )
    assert.match(await metrics(), /^cordon_blocks_in_force 0$/m)
  })

  test('is told to who orders a block or a limit of it, which does nothing before then', async (t) => {
    const service = await open(t)
    const { shown: allow } = await order(service, { action: 'allow', target: '203.0.113.0/28' })
    const rate = { packets: 5, per: 'second', burst: 5 }
    for (const more of [{}, { protocol: 'tcp' }, { action: 'limit', rate }]) {
      const { notice } = (await order(service, more)).answer.body
      assert.match(notice ?? '', /^this stops nothing while 203\.0\.113\.0\/28 is allowed, until /)
      assert.ok(
        notice?.includes(`token/test-admin: test); "cordon decision lift ${allow?.id}" ends`),
      )
    }
    const beside = await order(service, { target: '203.0.113.16' })
    assert.equal(beside.answer.body.notice, undefined)
  })

  test('in part is told to be a part to who orders a block of the whole', async (t) => {
    const part = /^a part of it passes while 203\.0\.113\.7 is allowed/
    for (const [allow, block] of [
      [{ protocol: 'tcp', ports: ['443'] }, {}],
      [{ target: '203.0.113.7' }, { target: '203.0.113.0/24' }],
      [{ audience: ['group/web'] }, {}],
      [{ direction: 'in' }, { direction: 'both' }],
    ]) {
      const service = await open(t)
      await order(service, { action: 'allow', ...allow })
      assert.match((await order(service, { ...block })).answer.body.notice ?? '', part)
    }
  })

  test('of other nodes or the other way is not told', async (t) => {
    for (const [allow, block] of [
      [{ audience: ['group/web'] }, { audience: ['group/db'] }],
      [{ direction: 'out' }, { direction: 'in' }],
    ]) {
      const service = await open(t)
      await order(service, { action: 'allow', ...allow })
      assert.equal((await order(service, { ...block })).answer.body.notice, undefined)
    }
  })

  test('is no offence of its attacker', async (t) => {
    const service = await open(
      t,
      plainPolicy.replace('for: 1h', 'for: 1h, escalate: { factor: 2, ceiling: 8h }'),
    )
    await order(service, { action: 'allow', protocol: 'tcp' })
    await service.alert(record('203.0.113.7'))
    const [made] = (await service.ask('GET', '/v1/decisions?state=issued')).body.decisions
    assert.equal(made?.length_s, 3_600)
  })
})

describe('a rule', () => {
  const scoped = `
version: 1
rules:
  - { name: web, because: it is, when: alert.severity >= 90, verdict: block, for: 1h, scope: { protocol: tcp, ports: [443] } }
  - { name: rest, because: it is, when: 'true', verdict: limit, for: 1h, rate: { packets: 5, per: second, burst: 5 } }
`
  test('makes a decision of its own for another part of the traffic, and evidence for the same', async (t) => {
    const service = await open(t, scoped.replace("'true'", '"true"'))
    for (const severity of [95, 50, 95, 50])
      await service.alert(record('203.0.113.7', { severity }))
    const found = await claims(service)
    assert.deepEqual(found.map(({ action, ports }) => [action, ports]).sort(), [
      ['block', ['443']],
      ['limit', undefined],
    ])
  })

  test('that limits is told in the journal with its rate', async (t) => {
    const service = await open(t, scoped.replace("'true'", '"true"'))
    await service.alert(record('203.0.113.7', { severity: 50 }))
    const { text } = await service.ask('GET', '/v1/journal')
    assert.match(text, /\\?"action\\?":\\?"limit\\?"/)
  })
})

test('a partly blocked address is not said to be blocked', async (t) => {
  const service = await open(t)
  await order(service, { protocol: 'tcp', ports: ['22'] })
  const { body } = await service.ask('GET', '/v1/why?address=203.0.113.7')
  assert.deepEqual([body.ordered, body.blocked, body.partly], [false, false, true])
})

async function order(service: TestService, more: object) {
  const answer = await service.ask('POST', '/v1/decisions', {
    body: { target: '203.0.113.7', ...who, ...more },
  })
  return { answer, shown: answer.body.decision }
}

function claims(service: TestService): Promise<StandingAction[]> {
  return claimsOf(service.flow.store.read, 'all', service.clock.now)
}

async function open(t: TestContext, policy = plainPolicy): Promise<TestService> {
  const service = await openTestService({ policy })
  t.after(() => service.close())
  return service
}
