/** Questions that nobody answers: the clock answers as the policy says, and never blocks what a person had to agree to. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { plainPolicy } from '../service.ts'
import { ask, held, hour, open, queue, say, stateOf, told, twoPeople } from './stage.ts'

const blocking = `${plainPolicy}
review: { timeout: 1h, at_timeout: block }
`

describe('a question that nobody answers', () => {
  test('is declined at its time-out and not before, once, by the clock', async (t) => {
    const service = await open(t)
    const id = await ask(service, '203.0.113.9')
    service.clock.now += 24 * hour - 1
    assert.equal(await service.flow.review.timeOut(), 0)
    service.clock.now += 1
    assert.equal(await service.flow.review.timeOut(), 1)
    assert.equal(await service.flow.review.timeOut(), 0)
    assert.deepEqual(await told(service, id), [
      'policy decision.wait',
      'clock decision.timeout_decline',
    ])
    const { body } = await service.ask('GET', `/v1/decisions/${id}`)
    assert.equal(body.decision?.note, 'nobody answered within 1d')
  })

  test('is blocked where the policy says so, for the length that was asked about', async (t) => {
    const service = await open(t, { policy: blocking })
    const id = await ask(service, '203.0.113.9')
    service.clock.now += hour
    await service.flow.review.timeOut()
    assert.deepEqual(await held(service), ['203.0.113.9'])
    const { body } = await service.ask('GET', `/v1/decisions/${id}`)
    assert.equal(Date.parse(body.decision?.not_after ?? ''), service.clock.now + 2 * hour)
    assert.equal((await told(service, id)).at(-1), 'clock decision.timeout_block')
  })

  test('is declined instead when its target was protected meanwhile', async (t) => {
    const service = await open(t, { policy: blocking })
    const id = await ask(service, '203.0.113.9')
    service.setPolicy(blocking.replace('198.51.100.64/28', '203.0.113.0/28'))
    service.clock.now += hour
    await service.flow.review.timeOut()
    assert.equal(await stateOf(service, id), 'declined')
    const { body } = await service.ask('GET', `/v1/decisions/${id}`)
    assert.match(body.decision?.note ?? '', /nobody answered .* is protected/)
  })

  test('is declined instead when somebody said to ignore such alerts', async (t) => {
    const service = await open(t, { policy: blocking })
    const id = await ask(service, '203.0.113.9', { rule: 'noisy' })
    const other = await ask(service, '203.0.113.8', { rule: 'noisy' })
    await say(service, `/v1/review/${other}/ignore`, { what: 'signature', for: '5h' })
    service.clock.now += hour
    await service.flow.review.timeOut()
    assert.equal(await stateOf(service, id), 'declined')
  })

  test('is declined instead where two people have to agree, also when one has', async (t) => {
    const policy = twoPeople.replace('review: {', 'review: { timeout: 1h, at_timeout: block,')
    const service = await open(t, { policy })
    const id = await ask(service, '203.0.113.9', { severity: 60 })
    const byHand = await say(service, '/v1/decisions', { target: '192.0.2.0/24', for: '1h' })
    await say(service, `/v1/decisions/${id}/approve`)
    service.clock.now += hour
    await service.flow.review.timeOut()
    assert.deepEqual(await held(service), [])
    assert.equal(await stateOf(service, id), 'declined')
    assert.equal(await stateOf(service, byHand.body.decision?.id ?? ''), 'declined')
  })

  test('is declined instead while the whole policy is on trial', async (t) => {
    const service = await open(t, { policy: blocking })
    const id = await ask(service, '203.0.113.9')
    service.setPolicy(blocking.replace('version: 1', 'version: 1\nmode: observe'))
    service.clock.now += hour
    await service.flow.review.timeOut()
    assert.equal(await stateOf(service, id), 'declined')
  })

  test('is declined instead when as many blocks are in force as the ceiling allows', async (t) => {
    const policy = blocking.replace('blocks_per_minute: 100000', 'blocks_in_force: 1')
    const service = await open(t, { policy })
    const id = await ask(service, '203.0.113.9')
    service.clock.now += hour
    await say(service, '/v1/decisions', { target: '192.0.2.1', for: '1h' })
    await service.flow.review.timeOut()
    assert.equal(await stateOf(service, id), 'declined')
  })

  test('is blocked in the next minute when this one has had its share', async (t) => {
    const policy = blocking.replace('blocks_per_minute: 100000', 'blocks_per_minute: 2')
    const service = await open(t, { policy })
    for (let host = 1; host <= 5; host++) await ask(service, `203.0.113.${host}`)
    service.clock.now += hour
    await service.flow.review.timeOut()
    service.clock.now += 2_000
    await service.flow.review.timeOut()
    assert.equal((await held(service)).length, 2, 'and no more in the same minute')
    service.clock.now += 60_000
    await service.flow.review.timeOut()
    assert.equal((await held(service)).length, 4)
    assert.equal((await queue(service)).waiting, 1)
  })

  test('is left to the person who answers at the same moment', async (t) => {
    const service = await open(t, { policy: blocking })
    const id = await ask(service, '203.0.113.9')
    service.clock.now += hour
    const [answer] = await Promise.all([
      say(service, `/v1/decisions/${id}/decline`),
      service.flow.review.timeOut(),
    ])
    const steps = await told(service, id)
    assert.equal(steps.length, 2, steps.join())
    assert.ok(answer.status === 200 || answer.status === 409)
  })
})
