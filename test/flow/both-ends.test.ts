/** Orders about both ends of a packet: what is asked for reaches the nodes, and what cannot be meant is refused. */
import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import type { StandingAction } from '#contract/action.ts'
import { claimsOf } from '../claims.ts'
import { openTestService, record, type TestService } from '../service.ts'

const who = { for: '1h', reason: 'test' }
const pair = {
  direction: 'forward_from',
  interface: 'eth0',
  peer: '192.0.2.10',
  peer_interface: 'eth1',
} as const

describe('an order of what one host may not send through a router to another', () => {
  test('goes to the nodes with both ends, and is said back in words', async (t) => {
    const service = await open(t)
    const { shown, answer } = await order(service, pair)
    assert.equal(
      shown?.what,
      'block 203.0.113.7, only forwarded from it at eth0 to 192.0.2.10 at eth1',
    )
    assert.equal(answer.body.notice, undefined)
    assert.deepEqual(
      [shown?.direction, shown?.interface, shown?.peer, shown?.peer_interface],
      ['forward_from', 'eth0', '192.0.2.10', 'eth1'],
    )
    const [claim] = await claims(service)
    assert.deepEqual(
      { ...claim, issued: 0, not_after: 0 },
      {
        action: 'block',
        decision: shown?.id,
        target: '203.0.113.7',
        ...pair,
        issued: 0,
        not_after: 0,
        reason: 'test',
      },
    )
  })

  test('is said in words that tell who sends, whichever way it is', async (t) => {
    const service = await open(t)
    const said = {
      forward_from: 'only tcp port 22 forwarded from it at eth0 to 192.0.2.10',
      forward_to: 'only tcp port 22 forwarded to it at eth0 from 192.0.2.10',
      forward: 'only forwarded tcp port 22 at eth0 with 192.0.2.10',
      in: 'only tcp port 22 at eth0 to 192.0.2.10',
      out: 'only outgoing tcp port 22 at eth0 from 192.0.2.10',
      both: 'only tcp port 22 at eth0 with 192.0.2.10',
    }
    const scope = { interface: 'eth0', peer: '192.0.2.10', protocol: 'tcp', ports: ['22'] }
    for (const [direction, only] of Object.entries(said)) {
      const { shown } = await order(service, { ...scope, direction })
      assert.equal(shown?.what, `block 203.0.113.7, ${only}`)
    }
    const { shown } = await order(service, { direction: 'forward', peer_interface: 'eth1' })
    assert.equal(shown?.what, 'block 203.0.113.7, only forwarded with anybody at eth1')
  })

  test('keeps its peer when it is extended, lifted, and the lift is undone', async (t) => {
    const service = await open(t)
    const { shown } = await order(service, pair)
    const path = `/v1/decisions/${shown?.id}`
    await service.ask('POST', `${path}/extend`, { body: { for: '2h', reason: 'test' } })
    const [extended] = await claims(service)
    assert.deepEqual([extended?.peer, extended?.peer_interface], ['192.0.2.10', 'eth1'])
    await service.ask('POST', `${path}/lift`, { body: { reason: 'test' } })
    assert.deepEqual(await claims(service), [])
    await service.ask('POST', `/v1/review/${shown?.id}/undo`, { body: { reason: 'test' } })
    const [again] = await claims(service)
    assert.deepEqual([again?.peer, again?.peer_interface], ['192.0.2.10', 'eth1'])
  })

  test('with a peer that is no canonical network is of the network, and that is said', async (t) => {
    const service = await open(t)
    const { shown, answer } = await order(service, { ...pair, peer: '192.0.2.10/24' })
    assert.equal(shown?.peer, '192.0.2.0/24')
    assert.equal(
      answer.body.notice,
      'host bits of the peer were set; the peer is the network 192.0.2.0/24',
    )
    const [claim] = await claims(service)
    assert.equal(claim?.peer, '192.0.2.0/24')
    const mapped = await order(service, { ...pair, peer: '::ffff:192.0.2.10' })
    assert.deepEqual([mapped.shown?.peer, mapped.answer.body.notice], ['192.0.2.10', undefined])
  })

  test('may be between hosts of one network, which a router can part', async (t) => {
    const service = await open(t)
    const { answer } = await order(service, { ...pair, peer: '203.0.113.0/24' })
    assert.equal(answer.status, 201)
    const within = { ...pair, target: '203.0.113.0/24', peer: '203.0.113.0/24' }
    assert.equal((await order(service, within)).answer.status, 201)
  })

  const refusals = {
    'a peer of the other family': [
      { peer: '2001:db8::1' },
      'invalid_input',
      /the peer 2001:db8::1 is IPv6 and 203\.0\.113\.7 is IPv4: no packet is of both/,
      /name the IPv4 address of the peer/,
    ],
    'everybody as the peer': [
      { peer: '0.0.0.0/0' },
      'invalid_input',
      /a peer 0\.0\.0\.0\/0 is everybody/,
      /leave the peer out/,
    ],
    'the target itself as the peer': [
      { peer: '203.0.113.7' },
      'invalid_input',
      /203\.0\.113\.7 is the target itself/,
      /name who is at the other end/,
    ],
    'a peer that is no address': [
      { peer: 'router-2' },
      'address_invalid',
      /^the peer "router-2" is no IPv4 or IPv6 address/,
      /./,
    ],
    "an interface on the peer's side of what comes in": [
      { direction: 'in' },
      'invalid_input',
      /only what is forwarded has an interface on the side of its peer, and this order is of in/,
      /forward_from, forward_to or forward/,
    ],
    'the same of what goes out': [{ direction: 'out' }, 'invalid_input', /of out/, /forward_to/],
    'the same of both ways': [{ direction: 'both' }, 'invalid_input', /of both/, /forward/],
    'the same where the way is left to the policy': [
      { direction: undefined },
      'invalid_input',
      /of in/,
      /forward/,
    ],
    'a way that is none': [
      { direction: 'forward-from' },
      'invalid_input',
      /direction/,
      /did you mean forward_from\?/,
    ],
    "a peer's interface that is none": [
      { peer_interface: 'eth 1' },
      'invalid_input',
      /peer_interface/,
      /./,
    ],
    'a misspelt field': [
      { peer_interfaces: 'eth1' },
      'invalid_input',
      /peer_interfaces/,
      /did you mean peer_interface\?/,
    ],
  } as const
  for (const [name, [body, code, says, remedy]] of Object.entries(refusals))
    test(`is refused for ${name}, with what to do`, async (t) => {
      const service = await open(t)
      const { answer } = await order(service, { ...pair, ...body })
      assert.equal(answer.body.code, code)
      assert.match(answer.body.detail ?? '', says)
      assert.match(`${answer.body.detail} ${answer.body.remedy}`, remedy)
      assert.deepEqual(await claims(service), [])
    })
})

describe('two orders', () => {
  test('that differ by their peer are two, and the same one again under its key is one', async (t) => {
    const service = await open(t)
    const key = { idempotency_key: 'run-1' }
    const first = await order(service, { ...pair, ...key })
    const again = await order(service, { ...pair, ...key, peer: '192.0.2.10/32' })
    assert.equal(again.shown?.id, first.shown?.id)
    const other = await order(service, { ...pair, ...key, peer: '192.0.2.11' })
    assert.deepEqual([other.answer.status, other.answer.body.code], [409, 'conflict'])
    for (const more of [{ peer_interface: 'eth2' }, { direction: 'forward_to' }])
      assert.equal((await order(service, { ...pair, ...key, ...more })).answer.status, 409)
    await order(service, { ...pair, peer: '192.0.2.11' })
    assert.deepEqual((await claims(service)).map(({ peer }) => peer).sort(), [
      '192.0.2.10',
      '192.0.2.11',
    ])
  })
})

describe('what is allowed between two hosts', () => {
  test('does not keep the policy from a block of all that the one sends', async (t) => {
    const service = await open(t)
    await order(service, { ...pair, action: 'allow' })
    const answer = await service.alert(record('203.0.113.7'))
    assert.equal(answer.body.items[0]?.alerts?.[0]?.outcome, 'block')
  })

  test('is told as a part to who blocks the whole, and as all to who blocks the same', async (t) => {
    const service = await open(t)
    await order(service, { ...pair, action: 'allow' })
    const whole = await order(service, {})
    assert.match(
      whole.answer.body.notice ?? '',
      /^a part of it passes while 203\.0\.113\.7 is allowed, only forwarded from it at eth0 to 192\.0\.2\.10 at eth1, until /,
    )
    const same = await order(service, pair)
    assert.match(same.answer.body.notice ?? '', /^this stops nothing while 203\.0\.113\.7 is /)
  })

  test('by any interface is all of a block between the same two, and of hosts of the peer', async (t) => {
    const service = await open(t)
    const wide = { direction: 'forward', peer: '192.0.2.0/28', action: 'allow' }
    await order(service, wide)
    const said = async (more: object) => (await order(service, more)).answer.body.notice ?? ''
    for (const more of [pair, { ...pair, protocol: 'tcp' }, { ...pair, direction: 'forward_to' }])
      assert.match(await said(more), /^this stops nothing while/)
    for (const more of [{ direction: 'in', peer: '192.0.2.10' }, { direction: 'forward' }])
      assert.match(await said(more), /^a part of it passes while/)
  })

  test('is not told, by why either, once every node that answered has refused it', async (t) => {
    const service = await open(t)
    const { shown } = await order(service, { ...pair, action: 'allow' })
    const node = await service.enrol('web-01')
    const answered = async (status: string) => {
      const place = { audience: 'all', epoch: 1, seq: 1, at: service.clock.now }
      const receipts = [{ decision: shown?.id, status, ...place }]
      await service.ask('POST', '/v1/receipts', { token: node.bearer(), body: { receipts } })
      const { notice } = (await order(service, pair)).answer.body
      return [notice, (await service.ask('GET', '/v1/why?address=203.0.113.7')).body.allowed]
    }
    assert.deepEqual(await answered('refused'), [undefined, null])
    const [notice, allowed] = await answered('applied')
    assert.match(String(notice), /^this stops nothing while/)
    assert.notEqual(allowed, null)
  })

  test('by one interface is a part of what passes by either', async (t) => {
    const service = await open(t)
    await order(service, { direction: 'both', interface: 'eth0', action: 'allow' })
    const { answer } = await order(service, { direction: 'forward', interface: 'eth0' })
    assert.match(answer.body.notice ?? '', /^a part of it passes while/)
  })

  test('is not told to who blocks it towards another, or the other way', async (t) => {
    const service = await open(t)
    await order(service, { ...pair, action: 'allow' })
    for (const more of [{ peer: '192.0.2.11' }, { direction: 'forward_to' }])
      assert.equal((await order(service, { ...pair, ...more })).answer.body.notice, undefined)
  })

  test('is what why says of it, and no reason to say that all is allowed', async (t) => {
    const service = await open(t)
    await order(service, { ...pair, action: 'allow' })
    const { body } = await service.ask('GET', '/v1/why?address=203.0.113.7')
    assert.equal(Object(body.allowed).only, 'forwarded from it at eth0 to 192.0.2.10 at eth1')
    assert.deepEqual([body.ordered, body.blocked, body.partly], [false, false, false])
  })
})

test('why is answered for who is at the other end too: by host, by network around it, and within it', async (t) => {
  const service = await open(t)
  const { shown } = await order(service, pair)
  const towards = async (address: string) =>
    (await service.ask('GET', `/v1/why?address=${address}`)).body.as_peer.map(({ id }) => id)
  for (const address of ['192.0.2.10', '192.0.2.0/24'])
    assert.deepEqual(await towards(address), [shown?.id])
  assert.deepEqual(await towards('192.0.2.11'), [])
  // What it holds on an address itself is told there.
  assert.deepEqual(await towards('203.0.113.7'), [])
  await service.ask('POST', `/v1/decisions/${shown?.id}/lift`, { body: { reason: 'test' } })
  assert.deepEqual(await towards('192.0.2.10'), [])
})

test('an address of which one way alone is not forwarded is not said to be blocked', async (t) => {
  for (const direction of ['forward', 'forward_from', 'forward_to']) {
    const service = await open(t)
    await order(service, { direction })
    const { body } = await service.ask('GET', '/v1/why?address=203.0.113.7')
    assert.deepEqual([body.ordered, body.blocked, body.partly], [false, false, true])
  }
})

describe('a rule of the policy', () => {
  const towards = `
version: 1
rules:
  - name: to the database
    because: nobody scans it
    when: "true"
    verdict: block
    for: 1h
    direction: forward_from
    scope: { interface: eth0, peer: 192.0.2.10, peer_interface: eth1 }
`
  test('orders the same of each attacker, and one more alert is evidence', async (t) => {
    const service = await open(t, towards)
    for (const attacker of ['203.0.113.7', '203.0.113.7', '203.0.113.8'])
      await service.alert(record(attacker))
    const found = await claims(service)
    assert.deepEqual(
      found
        .map((claim) => [claim.target, claim.direction, claim.peer, claim.peer_interface])
        .sort(),
      [
        ['203.0.113.7', 'forward_from', '192.0.2.10', 'eth1'],
        ['203.0.113.8', 'forward_from', '192.0.2.10', 'eth1'],
      ],
    )
  })

  test('is not about attackers of the other family, who never meet its peer', async (t) => {
    const service = await open(t, towards)
    const answer = await service.alert(record('2001:db8::7'))
    assert.equal(answer.body.items[0]?.alerts?.[0]?.outcome, 'watch')
    assert.deepEqual(await claims(service), [])
  })
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

async function open(t: TestContext, policy?: string): Promise<TestService> {
  const service = await openTestService(policy === undefined ? {} : { policy })
  t.after(() => service.close())
  return service
}
