/** Wide networks need two people: nobody alone, and nobody twice. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { TestService } from '../service.ts'
import {
  ask,
  held,
  hour,
  open,
  person,
  queue,
  read,
  say,
  stateOf,
  told,
  twoPeople,
} from './stage.ts'

const wide = (service: TestService) => ask(service, '203.0.113.9', { severity: 60 })

describe('a block of a wide network', () => {
  test('that one person approves waits for a second one, and then is in force', async (t) => {
    const service = await open(t, { policy: twoPeople })
    const id = await wide(service)
    const first = await say(service, `/v1/decisions/${id}/approve`, { for: '30m' })
    assert.deepEqual([first.status, first.body.decision?.state], [202, 'waiting'])
    assert.match(first.body.notice ?? '', /203\.0\.113\.0\/24 .*second person/)
    assert.deepEqual(await held(service), [])
    const [question] = (await queue(service)).questions
    assert.deepEqual(
      [question?.needs_two, question?.first?.actor, question?.first?.length_s],
      [true, 'token/test-admin', 1_800],
    )
    const second = await say(
      service,
      `/v1/decisions/${id}/approve`,
      {},
      await person(service, 'review'),
    )
    assert.deepEqual(
      [second.status, second.body.decision?.state, second.body.decision?.length_s],
      [200, 'issued', 1_800],
    )
    assert.deepEqual(await held(service), ['203.0.113.0/24'])
    assert.deepEqual(await told(service, id), [
      'policy decision.wait',
      'token/test-admin decision.second',
      'token/test-review decision.approve',
    ])
  })

  test('is not approved by one person twice', async (t) => {
    const service = await open(t, { policy: twoPeople })
    const id = await wide(service)
    await say(service, `/v1/decisions/${id}/approve`)
    const again = await say(service, `/v1/decisions/${id}/approve`)
    assert.deepEqual([again.status, again.body.code], [409, 'conflict'])
    assert.match(again.body.detail ?? '', /^token\/test-admin has approved .* already/)
    assert.deepEqual(await held(service), [])
  })

  test('that two approve at once is in force once; one person who says it twice at once is one', async (t) => {
    const service = await open(t, { policy: twoPeople })
    const id = await wide(service)
    const alone = await Promise.all(
      [1, 2, 3].map(() => say(service, `/v1/decisions/${id}/approve`)),
    )
    assert.deepEqual(alone.map(({ status }) => status).sort(), [202, 409, 409])
    const other = await person(service, 'review')
    const both = await Promise.all(
      [1, 2].map(() => say(service, `/v1/decisions/${id}/approve`, {}, other)),
    )
    assert.deepEqual(both.map(({ status }) => status).sort(), [200, 409])
    assert.deepEqual(await held(service), ['203.0.113.0/24'])
  })

  test('is not approved for longer, or for others, than the first agreed to', async (t) => {
    const service = await open(t, { policy: twoPeople })
    const id = await wide(service)
    const other = await person(service, 'review')
    await say(service, `/v1/decisions/${id}/approve`, { for: '30m' })
    for (const terms of [{ for: '9h' }, { audience: ['group/web'] }]) {
      const answer = await say(service, `/v1/decisions/${id}/approve`, terms, other)
      assert.equal(answer.body.code, 'conflict', JSON.stringify(terms))
    }
    assert.equal(
      (await say(service, `/v1/decisions/${id}/approve`, { for: '30m' }, other)).status,
      200,
    )
  })

  test('is not approved by one person and a token that was revoked since', async (t) => {
    const service = await open(t, { policy: twoPeople })
    const id = await wide(service)
    const stolen = await service.token(['review'], 60_000)
    await say(service, `/v1/decisions/${id}/approve`, {}, stolen)
    service.clock.now += 60_000
    assert.equal((await say(service, `/v1/decisions/${id}/approve`)).status, 202)
    assert.deepEqual(await held(service), [])
  })

  test('by hand becomes a question, which another person approves', async (t) => {
    const service = await open(t, { policy: twoPeople })
    const asked = await say(service, '/v1/decisions', { target: '203.0.113.0/24', for: '1h' })
    assert.deepEqual([asked.status, asked.body.decision?.state], [202, 'waiting'])
    const id = asked.body.decision?.id ?? ''
    assert.equal((await say(service, `/v1/decisions/${id}/approve`)).body.code, 'conflict')
    assert.deepEqual(await held(service), [])
    const other = await person(service, 'review')
    assert.equal((await say(service, `/v1/decisions/${id}/approve`, {}, other)).status, 200)
    assert.deepEqual(await held(service), ['203.0.113.0/24'])
  })

  test('is extended by two people, and until then ends when it was to end', async (t) => {
    const service = await open(t, { policy: twoPeople })
    const id = await wide(service)
    const other = await person(service, 'review')
    await say(service, `/v1/decisions/${id}/approve`)
    const approved = await say(service, `/v1/decisions/${id}/approve`, {}, other)
    const first = await say(service, `/v1/decisions/${id}/extend`, { for: '5h' }, other)
    assert.equal(first.status, 202)
    assert.equal(first.body.decision?.not_after, approved.body.decision?.not_after)
    assert.equal(
      (await say(service, `/v1/decisions/${id}/extend`, { for: '6h' })).body.code,
      'conflict',
    )
    const second = await say(service, `/v1/decisions/${id}/extend`, { for: '5h' })
    assert.deepEqual(
      [second.status, Date.parse(second.body.decision?.not_after ?? '')],
      [200, service.clock.now + 5 * hour],
    )
  })

  test('is declined by one person alone', async (t) => {
    const service = await open(t, { policy: twoPeople })
    const id = await wide(service)
    await say(service, `/v1/decisions/${id}/approve`)
    assert.equal((await say(service, `/v1/decisions/${id}/decline`)).status, 200)
    const late = await say(
      service,
      `/v1/decisions/${id}/approve`,
      {},
      await person(service, 'review'),
    )
    assert.equal(late.body.code, 'conflict')
  })

  test('forgets the first word when it is taken back, and another may be the first', async (t) => {
    const service = await open(t, { policy: twoPeople })
    const id = await wide(service)
    await say(service, `/v1/decisions/${id}/approve`)
    assert.equal((await say(service, `/v1/review/${id}/undo`)).status, 200)
    const other = await person(service, 'review')
    assert.equal((await say(service, `/v1/decisions/${id}/approve`, {}, other)).status, 202)
    assert.equal((await say(service, `/v1/decisions/${id}/approve`)).status, 200)
  })

  test('keeps the first word when something said after it is taken back', async (t) => {
    const service = await open(t, { policy: twoPeople })
    const id = await wide(service)
    await say(service, `/v1/decisions/${id}/approve`)
    const always = await say(service, `/v1/review/${id}/always`)
    assert.equal(always.status, 201, always.text)
    await say(service, `/v1/review/${id}/undo`)
    const other = await person(service, 'review')
    assert.equal((await say(service, `/v1/decisions/${id}/approve`, {}, other)).status, 200)
  })

  test('of a bulk answer is said to wait for the second person', async (t) => {
    const service = await open(t, { policy: twoPeople })
    const id = await wide(service)
    const narrow = await ask(service, '192.0.2.9')
    const { items } = read(
      await say(service, '/v1/review/bulk', { do: 'approve', filter: { all: true } }),
    )
    assert.deepEqual(
      new Map(items.map((item) => [item.id, item.status])),
      new Map([
        [id, 'pending'],
        [narrow, 'done'],
      ]),
    )
  })
})

test('a block of a narrow network needs one person', async (t) => {
  const service = await open(t, { policy: twoPeople })
  for (const target of ['203.0.113.16/28', '2001:db8::/56', '192.0.2.1'])
    assert.equal((await say(service, '/v1/decisions', { target, for: '1h' })).status, 201, target)
  assert.equal(
    (await say(service, '/v1/decisions', { target: '2001:db8::/55', for: '1h' })).status,
    202,
  )
})

test('a block that two people approved is lifted by one', async (t) => {
  const service = await open(t, { policy: twoPeople })
  const id = await wide(service)
  await say(service, `/v1/decisions/${id}/approve`)
  await say(service, `/v1/decisions/${id}/approve`, {}, await person(service, 'review'))
  await say(service, `/v1/decisions/${id}/lift`)
  assert.equal(await stateOf(service, id), 'lifted')
  const back = await say(service, `/v1/review/${id}/undo`)
  assert.equal(back.body.code, 'conflict', 'one person alone brings it back')
})
