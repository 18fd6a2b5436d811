/** What alerts lead to, and what people may do about it. */
import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { readAction } from '#contract/action.ts'
import { expire } from '../../actions/flow/expire.ts'
import { claimsOf } from '../claims.ts'
import { claimsIn } from '../listening.ts'
import {
  openTestService,
  plainPolicy,
  record,
  type TestService,
  type TestServiceOptions,
} from '../service.ts'

const hour = 3_600_000

describe('an alert', () => {
  test('on an address that is blocked already is evidence of that block, and no second one', async (t) => {
    const service = await open(t)
    const first = await decide(service, '203.0.113.7')
    service.clock.now += 60_000
    const second = await decide(service, '203.0.113.7')
    assert.equal(second.decision, first.decision)
    const shown = await show(service, first.decision)
    assert.equal(shown.alerts, 2)
    assert.equal(shown.not_after, '2026-03-01T04:00:00.000Z')
    assert.equal((await envelopes(service)).length, 1)
  })

  test('that prolongs a running block by a tenth or more is told to the nodes under the same decision', async (t) => {
    const service = await open(t)
    const { decision } = await decide(service, '203.0.113.7')
    service.clock.now += hour / 2
    await decide(service, '203.0.113.7')
    assert.equal((await show(service, decision)).not_after, '2026-03-01T04:30:00.000Z')
    assert.deepEqual(await envelopes(service), [
      [{ action: 'block', decision, not_after: service.clock.now + hour / 2 }],
      [{ action: 'block', decision, not_after: service.clock.now + hour }],
    ])
  })

  test('that waits for a person gains evidence and no second question', async (t) => {
    const service = await open(t)
    const first = await decide(service, '203.0.113.7', { severity: 50 })
    const second = await decide(service, '203.0.113.7', { severity: 50 })
    assert.deepEqual([first.state, second.decision], ['waiting', first.decision])
    assert.equal((await envelopes(service)).length, 0)
  })

  test('never blocks a private, protected or own address, nor a network around one', async (t) => {
    const service = await open(t, {
      policy: plainPolicy.replace('rules:', 'ipv4_prefix: 24\nrules:'),
    })
    for (const attacker of [
      '10.1.2.3',
      '198.51.100.65',
      '198.51.100.200',
      '127.0.0.1',
      '::1',
      '::ffff:10.1.2.3',
      'fe80::1',
      '224.0.0.1',
      '0.0.0.0',
      '255.255.255.255',
    ]) {
      const answer = await service.alert(record(attacker))
      assert.notEqual(answer.body.items[0]?.alerts?.[0]?.outcome, 'block', attacker)
    }
    assert.equal((await decide(service, '198.51.100.9')).outcome, 'block')
    assert.equal((await decide(service, '203.0.113.7')).outcome, 'block')
    const claims = await claimsOf(service.flow.store.read, 'all', service.clock.now)
    assert.deepEqual(claims.map(({ target }) => target).sort(), ['198.51.100.9', '203.0.113.0/24'])
  })

  test('of the default policy never blocks a private address either', async (t) => {
    const { defaultPolicyFile } = await import('../../actions/policy-in-force.ts')
    const { readFileSync } = await import('node:fs')
    const service = await open(t, { policy: readFileSync(defaultPolicyFile, 'utf8') })
    for (const attacker of [
      '10.0.0.1',
      '172.16.5.4',
      '192.168.1.1',
      '100.64.0.9',
      'fd00::7',
      '8.8.8.8',
    ])
      assert.equal((await decide(service, attacker, { severity: 95 })).outcome, 'watch', attacker)
  })

  test('of a repeat offender is blocked longer each time', async (t) => {
    const rule = 'verdict: block, for: 1h, escalate: { factor: 4, ceiling: 1d } }'
    const service = await open(t, {
      policy: plainPolicy.replace('verdict: block, for: 1h }', rule),
    })
    const lengths: (number | null)[] = []
    for (let n = 0; n < 4; n++) {
      const { decision } = await decide(service, '203.0.113.7')
      const shown = await show(service, decision)
      lengths.push(shown.length_s)
      service.clock.now = Date.parse(shown.not_after ?? '') + 1
      await expire(service.flow.store, service.clock.now)
    }
    assert.deepEqual(lengths, [3_600, 4 * 3_600, 16 * 3_600, 24 * 3_600])
  })

  test('of an IPv6 attacker counts as an offence of its whole network', async (t) => {
    const service = await open(t)
    const first = await decide(service, '2001:db8:1:2::1')
    const second = await decide(service, '2001:db8:1:2:ffff::2')
    assert.equal(first.decision, second.decision)
    assert.equal((await show(service, first.decision)).target, '2001:db8:1:2::/64')
  })

  test('above the blocks of a minute becomes a question for a person, within one request too', async (t) => {
    const policy = plainPolicy.replace('blocks_per_minute: 100000', 'blocks_per_minute: 5')
    const service = await open(t, { policy })
    const records = Array.from({ length: 8 }, (_, n) => record(`203.0.113.${n}`))
    const { items } = (await service.alert(records)).body
    const outcomes = items.map(({ alerts }) => alerts?.[0]?.outcome)
    assert.deepEqual(outcomes, [...Array(5).fill('block'), ...Array(3).fill('review')])
    service.clock.now += 61_000
    assert.equal((await decide(service, '203.0.113.77')).outcome, 'block')
  })

  test('above the blocks in force becomes a question, until blocks have ended', async (t) => {
    const policy = plainPolicy.replace(
      'blocks_per_minute: 100000',
      'blocks_per_minute: 100000, blocks_in_force: 2',
    )
    const service = await open(t, { policy })
    for (const n of [1, 2]) assert.equal((await decide(service, `203.0.113.${n}`)).outcome, 'block')
    assert.equal((await decide(service, '203.0.113.3')).outcome, 'review')
    service.clock.now += hour + 1
    assert.equal((await decide(service, '203.0.113.4')).outcome, 'block')
  })

  test('under a policy that observes does nothing, and says what it would have done', async (t) => {
    const service = await open(t, {
      policy: plainPolicy.replace('version: 1', 'version: 1\nmode: observe'),
    })
    const { decision, outcome, state } = await decide(service, '203.0.113.7')
    assert.deepEqual([outcome, state], ['watch', 'noted'])
    const shown = await show(service, decision)
    assert.deepEqual([shown.would, shown.target, shown.length_s], ['block', '203.0.113.7', 3_600])
    assert.equal((await envelopes(service)).length, 0)
    assert.equal((await why(service, '203.0.113.7')).ordered, false)
  })
})

describe('a block by hand', () => {
  test('of everything, of half of everything, or wider than a /8 or /16 is refused', async (t) => {
    const service = await open(t)
    for (const target of ['0.0.0.0/0', '128.0.0.0/1', '::/0', '2000::/3', '200.0.0.0/7']) {
      const answer = await block(service, target)
      assert.deepEqual([answer.status, answer.body.code], [422, 'too_wide'], target)
    }
  })

  test('of the service itself, of what is protected or of what is no single host is refused', async (t) => {
    const service = await open(t)
    for (const target of [
      '198.51.100.200',
      '198.51.100.0/24',
      '198.51.100.70',
      '10.0.0.0/8',
      '127.0.0.1',
      '224.0.0.5',
      '240.0.0.1',
    ])
      assert.equal((await block(service, target)).body.code, 'protected_target', target)
  })

  test('of what is no address is refused, and of host bits says what is blocked', async (t) => {
    const service = await open(t)
    for (const target of ['example.org', '203.0.113.7:22', '203.0.113.07', '203.0.113.0/33', ''])
      assert.equal((await block(service, target)).body.code, 'address_invalid', target)
    const cleared = await block(service, '203.0.113.7/24')
    assert.equal(cleared.body.decision?.target, '203.0.113.0/24')
    assert.match(cleared.body.notice ?? '', /203\.0\.113\.0\/24 is blocked/)
    assert.equal((await block(service, '192.0.2.0/24')).body.notice, undefined)
  })

  test('needs a length between nothing and a year, and a reason', async (t) => {
    const service = await open(t)
    const target = '203.0.113.7'
    for (const body of [
      { target, reason: 'test', for: '0s' },
      { target, reason: 'test', for: '400d' },
      { target, reason: 'test', for: `${'9'.repeat(400)}w` },
      { target, reason: 'test' },
      { target, for: '1h', reason: '  ' },
      { target, for: '1h' },
      { target, for: '1h', reason: 'test', audience: [] },
      { target, for: '1h', reason: 'test', audience: ['everybody'] },
      { target, for: '1h', reason: 'test', direction: 'sideways' },
    ]) {
      const answer = await service.ask('POST', '/v1/decisions', { body })
      assert.deepEqual(
        [answer.status, answer.body.code],
        [400, 'invalid_input'],
        JSON.stringify(body).slice(0, 80),
      )
    }
  })

  test('under a key of its own is done once, however often it is sent, and not again once it is lifted', async (t) => {
    const service = await open(t)
    const body = { target: '203.0.113.7', for: '1h', reason: 'test' }
    const keyed = { ...body, idempotency_key: 'run 7, step 2' }
    const order = (body: object, headers = {}, token?: string) =>
      service.ask('POST', '/v1/decisions', { body, headers, ...(token && { token }) })
    const first = await order(keyed)
    const id = first.body.decision?.id
    const lines = async () => (await service.ask('GET', '/v1/journal?limit=100')).text
    const before = await lines()
    const again = await order(keyed)
    const byHeader = await order(body, { 'idempotency-key': 'run 7, step 2' })
    assert.deepEqual(
      [again.status, again.body.decision?.id, byHeader.body.decision?.id],
      [201, id, id],
    )
    assert.equal(await lines(), before, 'nothing is journalled, nothing signed')
    await service.ask('POST', `/v1/decisions/${id}/lift`, { body: { reason: 'mistake' } })
    assert.equal((await order(keyed)).body.decision?.state, 'ended')
    const other = await order({ ...keyed, target: '203.0.113.8' })
    assert.deepEqual([other.status, other.body.code], [409, 'conflict'])
    const somebody = await order(keyed, {}, await service.token(['review']))
    assert.notEqual(somebody.body.decision?.id, id, 'keys of two tokens are two keys')
    for (const text of ['%!s(<nil>)', 'undefined', ''])
      assert.notEqual((await order(body, { 'idempotency-key': text })).body.decision?.id, id)
    const { decisions } = (await service.ask('GET', '/v1/decisions')).body
    assert.equal(decisions.length, 5)
  })

  const others: Record<string, object> = {
    'on another port': { protocol: 'tcp', ports: ['22'] },
    'the other way': { direction: 'out' },
    'on another node': { audience: ['node/web-02'] },
    'that is answered': { response: 'reject' },
  }
  for (const [what, more] of Object.entries(others))
    test(`${what} is not done already because of the key of the first`, async (t) => {
      const service = await open(t)
      const first = { target: '203.0.113.7', for: '1h', reason: 'test', idempotency_key: 'run 7' }
      assert.equal((await service.ask('POST', '/v1/decisions', { body: first })).status, 201)
      const body = { ...first, ...more }
      const answer = await service.ask('POST', '/v1/decisions', { body })
      assert.deepEqual([answer.status, answer.body.code], [409, 'conflict'])
    })

  test('with a field that nobody knows names the nearest one that is known', async (t) => {
    const service = await open(t)
    const body = { target: '203.0.113.7', for: '1h', reson: 'test', reason: 'test' }
    const answer = await service.ask('POST', '/v1/decisions', { body })
    assert.equal(answer.body.remedy, 'did you mean reason?')
  })

  test('beside another on the same address holds when that one is lifted, in the state and in the envelopes', async (t) => {
    const service = await open(t)
    const one = await block(service, '203.0.113.7', '1h')
    const two = await block(service, '203.0.113.7', '2h')
    const [first, second] = [one.body.decision?.id, two.body.decision?.id]
    assert.notEqual(first, second)
    await post(service, `/v1/decisions/${second}/lift`)
    const claims = await claimsOf(service.flow.store.read, 'all', service.clock.now)
    assert.deepEqual(
      claims.map(({ decision }) => decision),
      [first],
    )
    const asked = await why(service, '203.0.113.7')
    assert.deepEqual([asked.ordered, asked.until], [true, '2026-03-01T04:00:00.000Z'])
    assert.deepEqual(
      (await envelopes(service)).flat().map(({ action, decision }) => [action, decision]),
      [
        ['block', first],
        ['block', second],
        ['lift', second],
      ],
    )
  })

  test('does not say that it is done while no node enforces it', async (t) => {
    const service = await open(t)
    const nobody = await block(service, '203.0.113.7')
    assert.equal(nobody.body.decision?.message, 'signed, but no node is enrolled to enforce it')
    const node = await service.enrol('web-01')
    const silent = await service.ask('POST', '/v1/decisions?wait_s=5', {
      body: { target: '203.0.113.8', for: '1h', reason: 'test' },
    })
    assert.deepEqual(
      [silent.body.decision?.state, silent.body.decision?.message],
      ['issued', 'in the kernel of 0 of 1 nodes'],
    )
    const receipt = (status: string) => ({
      receipts: [
        {
          decision: silent.body.decision?.id,
          status,
          audience: 'all',
          epoch: 1,
          seq: 2,
          at: service.clock.now,
        },
      ],
    })
    await service.ask('POST', '/v1/receipts', { token: node.bearer(), body: receipt('failed') })
    const failed = await show(service, silent.body.decision?.id)
    assert.deepEqual(
      [failed.state, failed.message],
      ['issued', 'in the kernel of 0 of 1 nodes, 1 refused or failed'],
    )
    await service.ask('POST', '/v1/receipts', { token: node.bearer(), body: receipt('applied') })
    const applied = await show(service, silent.body.decision?.id)
    assert.deepEqual([applied.state, applied.message], ['applied', 'in the kernel of 1 of 1 nodes'])
  })

  test('counts only nodes that it is for: no more have confirmed than there are', async (t) => {
    const service = await open(t)
    const nodes = [await service.enrol('web-01', ['web']), await service.enrol('db-01', ['db'])]
    const { decision } = (await block(service, '203.0.113.7', '1h', ['group/web'])).body
    const receipts = [
      {
        decision: decision?.id,
        status: 'applied',
        audience: 'group/web',
        epoch: 1,
        seq: 1,
        at: service.clock.now,
      },
    ]
    for (const node of nodes)
      await service.ask('POST', '/v1/receipts', { token: node.bearer(), body: { receipts } })
    assert.equal((await show(service, decision?.id)).message, 'in the kernel of 1 of 1 nodes')
    await post(service, '/v1/nodes/web-01/revoke')
    assert.equal(
      (await show(service, decision?.id)).message,
      'signed, but no node is enrolled to enforce it',
    )
  })
})

describe('a decision that waits', () => {
  test('is issued when a person approves, for the length and audience that she says', async (t) => {
    const service = await open(t)
    const { decision } = await decide(service, '203.0.113.7', { severity: 50 })
    const body = { reason: 'known', for: '30m', audience: ['group/web'] }
    const { body: approved } = await service.ask('POST', `/v1/decisions/${decision}/approve`, {
      body,
    })
    assert.deepEqual(
      [approved.decision?.state, approved.decision?.not_after, approved.decision?.audience],
      ['issued', '2026-03-01T03:30:00.000Z', ['group/web']],
    )
    assert.equal(
      (await claimsOf(service.flow.store.read, 'group/web', service.clock.now)).length,
      1,
    )
  })

  test('is not issued when what it would block was protected meanwhile', async (t) => {
    const service = await open(t)
    const { decision } = await decide(service, '203.0.113.7', { severity: 50 })
    service.setPolicy(
      plainPolicy.replace('protect:', 'protect:\n  - { address: 203.0.113.0/29, why: a partner }'),
    )
    const answer = await post(service, `/v1/decisions/${decision}/approve`)
    assert.deepEqual([answer.status, answer.body.code], [409, 'protected_target'])
    assert.equal((await show(service, decision)).state, 'waiting')
  })

  test('is declined for good', async (t) => {
    const service = await open(t)
    const { decision } = await decide(service, '203.0.113.7', { severity: 50 })
    assert.equal(
      (await post(service, `/v1/decisions/${decision}/decline`)).body.decision?.state,
      'declined',
    )
    assert.equal((await post(service, `/v1/decisions/${decision}/approve`)).body.code, 'conflict')
    assert.equal((await envelopes(service)).length, 0)
  })

  test('that two people decide at once is decided once', async (t) => {
    const service = await open(t)
    const { decision } = await decide(service, '203.0.113.7', { severity: 50 })
    const answers = await Promise.all([
      post(service, `/v1/decisions/${decision}/approve`),
      post(service, `/v1/decisions/${decision}/decline`),
      post(service, `/v1/decisions/${decision}/approve`),
    ])
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 409, 409])
  })
})

describe('every order', () => {
  test('in a state that it does not fit is refused, and says what state that is', async (t) => {
    const service = await open(t)
    const waiting = (await decide(service, '203.0.113.1', { severity: 50 })).decision
    const issued = (await decide(service, '203.0.113.2')).decision
    const ended = (await decide(service, '203.0.113.3')).decision
    const noted = (await decide(service, '203.0.113.4', { severity: 10 })).decision
    await post(service, `/v1/decisions/${ended}/lift`)
    const wrong = [
      [waiting, 'extend'],
      [waiting, 'lift'],
      [issued, 'approve'],
      [issued, 'decline'],
      [ended, 'approve'],
      [ended, 'decline'],
      [ended, 'extend'],
      [ended, 'lift'],
      [noted, 'approve'],
      [noted, 'decline'],
      [noted, 'extend'],
      [noted, 'lift'],
    ] as const
    for (const [decision, verb] of wrong) {
      const answer = await post(
        service,
        `/v1/decisions/${decision}/${verb}`,
        verb === 'extend' ? { for: '9h' } : {},
      )
      assert.deepEqual([answer.status, answer.body.code], [409, 'conflict'], `${verb} ${decision}`)
    }
    const unknown = await post(service, '/v1/decisions/d-0000000000000000/lift')
    assert.deepEqual([unknown.status, unknown.body.code], [404, 'not_found'])
  })

  test('to extend gives a later end and no sooner one', async (t) => {
    const service = await open(t)
    const { decision } = await decide(service, '203.0.113.7')
    const extended = await post(service, `/v1/decisions/${decision}/extend`, { for: '3h' })
    assert.equal(extended.body.decision?.not_after, '2026-03-01T06:00:00.000Z')
    assert.equal(
      (await post(service, `/v1/decisions/${decision}/extend`, { for: '1h' })).body.code,
      'conflict',
    )
    const claims = await claimsOf(service.flow.store.read, 'all', service.clock.now)
    assert.deepEqual(
      claims.map(({ not_after }) => not_after),
      [service.clock.now + 3 * hour],
    )
  })

  test('is in the journal with who gave it and why', async (t) => {
    const service = await open(t)
    const { decision } = await decide(service, '203.0.113.7', { severity: 50 })
    const token = await service.token(['review'])
    const body = { reason: 'seen before' }
    await service.ask('POST', `/v1/decisions/${decision}/approve`, { token, body })
    const shown = await service.ask('GET', `/v1/decisions/${decision}`)
    assert.deepEqual(
      shown.body.timeline.map(({ actor, action }) => [actor, action]),
      [
        ['policy', 'decision.wait'],
        ['token/test-review', 'decision.approve'],
      ],
    )
    assert.match(shown.text, /seen before/)
  })
})

describe('lifting an address', () => {
  test('lifts all blocks on it, and says what wider one still covers it', async (t) => {
    const service = await open(t)
    await block(service, '203.0.113.7', '1h')
    await block(service, '203.0.113.7', '2h')
    const wide = await block(service, '203.0.113.0/24')
    const answer = await post(service, '/v1/addresses/lift', { target: '203.0.113.7' })
    assert.equal(answer.body.lifted.length, 2)
    assert.deepEqual(
      answer.body.still_covered_by.map(({ id }) => id),
      [wide.body.decision?.id],
    )
    assert.equal(answer.body.message, '2 lifted, 1 wider still covers it')
    assert.equal((await why(service, '203.0.113.7')).ordered, true)
  })

  test('of a network lifts what lies in it, and nothing beside it, in one envelope', async (t) => {
    const service = await open(t)
    for (const target of ['203.0.113.7', '203.0.113.8', '203.0.114.9', '2001:db8::1'])
      await block(service, target)
    const before = (await envelopes(service)).length
    const answer = await post(service, '/v1/addresses/lift', { target: '203.0.113.0/24' })
    assert.equal(answer.body.message, '2 lifted, nothing else covers it')
    const claims = await claimsOf(service.flow.store.read, 'all', service.clock.now)
    assert.deepEqual(claims.map(({ target }) => target).sort(), ['2001:db8::1', '203.0.114.9'])
    assert.equal((await envelopes(service)).length, before + 1)
  })

  test('that nothing blocks lifts nothing and is no error', async (t) => {
    const service = await open(t)
    const answer = await post(service, '/v1/addresses/lift', { target: '203.0.113.7' })
    assert.deepEqual(
      [answer.status, answer.body.message],
      [200, '0 lifted, nothing else covers it'],
    )
  })

  test('leaves what allows it, and says so', async (t) => {
    const service = await open(t)
    const allow = { target: '203.0.113.7', action: 'allow', for: '1h' }
    const { body } = await post(service, '/v1/decisions', allow)
    const answer = await post(service, '/v1/addresses/lift', { target: '203.0.113.7' })
    assert.deepEqual(
      [answer.body.lifted, answer.body.still_allowed_by.map(({ id }) => id)],
      [[], [body.decision?.id]],
    )
  })

  test('that two people lift at once is lifted once, and neither hears an error', async (t) => {
    const service = await open(t)
    await block(service, '203.0.113.7')
    const answers = await Promise.all(
      [1, 2].map(() => post(service, '/v1/addresses/lift', { target: '203.0.113.7' })),
    )
    assert.deepEqual(
      answers.map(({ status }) => status),
      [200, 200],
    )
    assert.deepEqual(answers.map(({ body }) => body.lifted.length).sort(), [0, 1])
  })
})

describe('the question why', () => {
  test('of a host in a blocked network names the network', async (t) => {
    const service = await open(t)
    const { body } = await block(service, '203.0.113.0/24')
    const asked = await why(service, '203.0.113.77')
    assert.equal(asked.ordered, true)
    assert.deepEqual(
      asked.decisions.map(({ id }) => id),
      [body.decision?.id],
    )
  })

  test('says that an address is blocked only when a kernel has confirmed it', async (t) => {
    const service = await open(t)
    const { decision } = (await block(service, '203.0.113.7')).body
    const said = async () => {
      const { ordered, blocked } = await why(service, '203.0.113.7')
      return [ordered, blocked]
    }
    assert.deepEqual(await said(), [true, false], 'there is no node')
    const node = await service.enrol('web-01')
    const answer = (status: string, seq: number) => {
      const place = { audience: 'all', epoch: 1, seq, at: service.clock.now }
      const body = { receipts: [{ decision: decision?.id, status, ...place }] }
      return service.ask('POST', '/v1/receipts', { token: node.bearer(), body })
    }
    await answer('planned', 1)
    assert.deepEqual(await said(), [true, false], 'the node is in dry run')
    await answer('applied', 1)
    assert.deepEqual(await said(), [true, true])
  })

  test('names the nodes that have not let go of what was lifted, until they have or it ends', async (t) => {
    const service = await open(t)
    const { decision } = (await block(service, '203.0.113.0/24', '1h')).body
    const node = await service.enrol('web-01')
    const answer = (status: string, seq: number) => {
      const place = { audience: 'all', epoch: 1, seq, at: service.clock.now }
      const body = { receipts: [{ decision: decision?.id, status, ...place }] }
      return service.ask('POST', '/v1/receipts', { token: node.bearer(), body })
    }
    await answer('applied', 1)
    const lift = await post(service, '/v1/addresses/lift', { target: '203.0.113.0/24' })
    assert.equal(lift.body.lifted[0]?.message, 'lifted, not confirmed yet by 1 of 1 nodes')
    const holding = { node: 'web-01', decision: decision?.id, until: decision?.not_after }
    assert.deepEqual((await why(service, '203.0.113.7')).unconfirmed, [holding])
    service.clock.now += hour
    assert.deepEqual((await why(service, '203.0.113.7')).unconfirmed, [], 'its kernel has let go')
    service.clock.now -= hour
    await answer('ended', 2)
    assert.deepEqual((await why(service, '203.0.113.7')).unconfirmed, [])
    assert.equal((await why(service, '203.0.113.0/24')).recent[0]?.message, 'lifted')
  })

  test('is not answered with the end of what no kernel took, while something else blocks it', async (t) => {
    const service = await open(t)
    const { decision } = (await block(service, '203.0.113.7', '1h')).body
    const longer = (await block(service, '203.0.113.0/24', '2h')).body.decision
    assert.equal((await why(service, '203.0.113.7')).until, longer?.not_after)
    const node = await service.enrol('web-01')
    const answer = (id: string | undefined, status: string, seq: number) => {
      const place = { audience: 'all', epoch: 1, seq, at: service.clock.now }
      const body = { receipts: [{ decision: id, status, ...place }] }
      return service.ask('POST', '/v1/receipts', { token: node.bearer(), body })
    }
    await answer(longer?.id, 'refused', 2)
    await answer(decision?.id, 'applied', 1)
    const { blocked, until } = await why(service, '203.0.113.7')
    assert.deepEqual([blocked, until], [true, decision?.not_after])
  })

  test('of a network of which one host is blocked does not say that the network is', async (t) => {
    const service = await open(t)
    await block(service, '203.0.113.7')
    const asked = await why(service, '203.0.113.0/24')
    assert.deepEqual([asked.ordered, asked.until, asked.decisions.length], [false, null, 1])
  })

  test('of an address whose block has ended says what was', async (t) => {
    const service = await open(t)
    const { decision } = await decide(service, '203.0.113.7')
    service.clock.now += hour
    await expire(service.flow.store, service.clock.now)
    const asked = await why(service, '203.0.113.7')
    assert.equal(asked.ordered, false)
    assert.deepEqual(
      asked.recent.map(({ id, message }) => [id, message]),
      [[decision, 'ended by its time']],
    )
  })
})

describe('a block', () => {
  test('ends by the clock exactly once, at its end and not before, without a word to the nodes', async (t) => {
    const service = await open(t)
    const { decision } = await decide(service, '203.0.113.7')
    const end = service.clock.now + hour
    assert.equal(await expire(service.flow.store, end - 1), 0)
    const ends = await Promise.all([
      expire(service.flow.store, end),
      expire(service.flow.store, end + 1),
    ])
    assert.deepEqual(ends.sort(), [0, 1])
    assert.equal(await expire(service.flow.store, end + hour), 0)
    const shown = await show(service, decision)
    assert.deepEqual(
      [shown.state, shown.end_reason, shown.ended],
      ['ended', 'expired', new Date(end).toISOString()],
    )
    const lines = (await service.ask('GET', `/v1/journal?subject=${decision}`)).text
    assert.equal(lines.split('decision.expire').length - 1, 1)
    assert.equal((await envelopes(service)).length, 1)
  })

  test('that has ended makes room for a new decision at the next alert, also before the clock has looked', async (t) => {
    const service = await open(t)
    const first = await decide(service, '203.0.113.7')
    service.clock.now += hour
    const second = await decide(service, '203.0.113.7')
    assert.notEqual(second.decision, first.decision)
    assert.equal(await expire(service.flow.store, service.clock.now), 1)
    assert.equal((await show(service, second.decision)).state, 'issued')
  })
})

async function open(t: TestContext, options: TestServiceOptions = {}): Promise<TestService> {
  const service = await openTestService(options)
  t.after(() => service.close())
  return service
}

async function decide(service: TestService, attacker: string, more: Record<string, unknown> = {}) {
  const answer = await service.alert(record(attacker, more))
  const recorded = answer.body.items[0]?.alerts?.[0]
  assert.ok(recorded, answer.text)
  return recorded
}

function block(service: TestService, target: string, length = '1h', audience = ['all']) {
  const body = { target, for: length, reason: 'test', audience }
  return service.ask('POST', '/v1/decisions', { body })
}

function post(service: TestService, path: string, more: object = {}) {
  return service.ask('POST', path, { body: { reason: 'test', ...more } })
}

async function show(service: TestService, id: string | undefined) {
  const { decision } = (await service.ask('GET', `/v1/decisions/${id}`)).body
  assert.ok(decision)
  return decision
}

async function why(service: TestService, address: string) {
  return (await service.ask('GET', `/v1/why?address=${encodeURIComponent(address)}`)).body
}

/** The actions of all envelopes of the audience all, in order. */
async function envelopes(service: TestService) {
  const rows = await service.flow.store.read
    .selectFrom('envelopes')
    .select('jws')
    .where('audience', '=', 'all')
    .orderBy('seq')
    .execute()
  return rows.map(({ jws }) => claimsIn(jws).actions.map(readPart))
}

function readPart(entry: unknown) {
  const { action, decision, ...rest } = readAction(entry)
  return { action, decision, ...('not_after' in rest && { not_after: rest.not_after }) }
}
