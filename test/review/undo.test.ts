/** Taking back: the last thing that was done, and only while nothing else happened since. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { expire, prune } from '../../actions/flow/expire.ts'
import { openSaid } from '../../actions/flow/said.ts'
import { ask, held, hour, judge, open, queue, read, say, stateOf, told } from './stage.ts'

describe('undo', () => {
  test('of an approval takes the block from the nodes, and the question waits again as it was', async (t) => {
    const service = await open(t)
    const id = await ask(service, '203.0.113.9')
    await say(service, `/v1/decisions/${id}/approve`, { for: '30m', audience: ['group/web'] })
    assert.deepEqual(await held(service, 'group/web'), ['203.0.113.9'])
    const undone = await say(service, `/v1/review/${id}/undo`)
    assert.equal(undone.status, 200, undone.text)
    assert.deepEqual(await held(service, 'group/web'), [])
    const [question] = (await queue(service)).questions
    assert.deepEqual(
      [question?.decision.id, question?.decision.length_s, question?.decision.audience],
      [id, 7_200, ['all']],
    )
    assert.equal(question?.decision.issued, null)
    await say(service, `/v1/decisions/${id}/approve`)
    assert.deepEqual(await held(service), ['203.0.113.9'])
  })

  test('of a decline lets it wait again', async (t) => {
    const service = await open(t)
    const id = await ask(service, '203.0.113.9')
    await say(service, `/v1/decisions/${id}/decline`)
    assert.equal((await say(service, `/v1/review/${id}/undo`)).body.decision?.state, 'waiting')
    assert.deepEqual(await told(service, id), [
      'policy decision.wait',
      'token/test-admin decision.decline',
      'token/test-admin decision.undo',
    ])
  })

  test('of an extension gives the former end back', async (t) => {
    const service = await open(t)
    const { body } = await say(service, '/v1/decisions', { target: '203.0.113.9', for: '1h' })
    const { id = '', not_after } = body.decision ?? {}
    await say(service, `/v1/decisions/${id}/extend`, { for: '9h' })
    assert.equal((await say(service, `/v1/review/${id}/undo`)).body.decision?.not_after, not_after)
  })

  test('of a lift blocks again until the end that was', async (t) => {
    const service = await open(t)
    const { body } = await say(service, '/v1/decisions', { target: '203.0.113.9', for: '1h' })
    const { id = '', not_after } = body.decision ?? {}
    await say(service, `/v1/decisions/${id}/lift`)
    service.clock.now += 60_000
    const back = await say(service, `/v1/review/${id}/undo`)
    assert.deepEqual(
      [back.body.decision?.state, back.body.decision?.not_after],
      ['issued', not_after],
    )
    assert.deepEqual(await held(service), ['203.0.113.9'])
  })

  test('of a lift does not block what was protected since', async (t) => {
    const service = await open(t)
    const { body } = await say(service, '/v1/decisions', { target: '203.0.113.9', for: '1h' })
    const id = body.decision?.id ?? ''
    await say(service, `/v1/decisions/${id}/lift`)
    const other = await ask(service, '203.0.113.9')
    await say(service, `/v1/review/${other}/protect`)
    assert.equal((await say(service, `/v1/review/${id}/undo`)).body.code, 'protected_target')
    assert.deepEqual(await held(service), [])
  })

  test('of a block by hand lifts it', async (t) => {
    const service = await open(t)
    const { body } = await say(service, '/v1/decisions', { target: '203.0.113.9', for: '1h' })
    const id = body.decision?.id ?? ''
    await say(service, `/v1/review/${id}/undo`)
    assert.equal(await stateOf(service, id), 'lifted')
  })

  test('is refused when something else happened since, and when there is nothing to undo', async (t) => {
    const service = await open(t)
    const id = await ask(service, '203.0.113.9')
    const none = await say(service, `/v1/review/${id}/undo`)
    assert.match(none.body.detail ?? '', /nothing to undo .*decision\.wait by policy/)
    await say(service, `/v1/decisions/${id}/approve`, { for: '1h' })
    service.clock.now += 2 * hour
    await expire(service.flow.store, service.clock.now)
    const late = await say(service, `/v1/review/${id}/undo`)
    assert.match(late.body.detail ?? '', /decision\.expire by clock/)
    const unknown = await say(service, '/v1/review/d-0000000000000000/undo')
    assert.equal(unknown.body.code, 'not_found')
  })

  test('of an approval is refused once more alerts have prolonged the block', async (t) => {
    const service = await open(t)
    const id = await ask(service, '203.0.113.9')
    await say(service, `/v1/decisions/${id}/approve`, { for: '30m' })
    await judge(service, '203.0.113.9', { severity: 90 })
    const answer = await say(service, `/v1/review/${id}/undo`)
    assert.match(answer.body.detail ?? '', /decision\.prolong by policy/)
    assert.deepEqual(await held(service), ['203.0.113.9'])
  })

  test('by two people at once is done once', async (t) => {
    const service = await open(t)
    const id = await ask(service, '203.0.113.9')
    await say(service, `/v1/decisions/${id}/decline`)
    const both = await Promise.all([1, 2].map(() => say(service, `/v1/review/${id}/undo`)))
    assert.deepEqual(both.map(({ status }) => status).sort(), [200, 409])
  })

  test('is not undone itself', async (t) => {
    const service = await open(t)
    const id = await ask(service, '203.0.113.9')
    await say(service, `/v1/decisions/${id}/decline`)
    await say(service, `/v1/review/${id}/undo`)
    assert.equal((await say(service, `/v1/review/${id}/undo`)).body.code, 'conflict')
  })

  test('of an approval whose time to wait is over lifts the block', async (t) => {
    const service = await open(t)
    const id = await ask(service, '203.0.113.9')
    service.clock.now += 23 * hour
    await say(service, `/v1/decisions/${id}/approve`, { for: '9h' })
    service.clock.now += 2 * hour
    await say(service, `/v1/review/${id}/undo`)
    assert.equal(await stateOf(service, id), 'lifted')
    assert.deepEqual(await held(service), [])
  })

  test('of a decline whose time to wait is over says how to block instead', async (t) => {
    const service = await open(t)
    const id = await ask(service, '203.0.113.9')
    await say(service, `/v1/decisions/${id}/decline`)
    service.clock.now += 25 * hour
    const answer = await say(service, `/v1/review/${id}/undo`)
    assert.equal(answer.body.code, 'conflict')
    assert.match(answer.body.remedy ?? '', /cordon block 203\.0\.113\.9/)
  })
})

describe('to ignore', () => {
  test('an attacker for a time declines the question, and its alerts make nothing until then', async (t) => {
    const service = await open(t)
    const id = await ask(service, '203.0.113.9')
    const answer = await say(service, `/v1/review/${id}/ignore`, { for: '1h' })
    assert.equal(answer.body.decision?.state, 'declined')
    assert.equal(await judge(service, '203.0.113.9', { severity: 90 }), 'ignore')
    assert.equal(await judge(service, '203.0.113.8', { severity: 90 }), 'block')
    service.clock.now += hour
    assert.equal(await judge(service, '203.0.113.9', { severity: 90 }), 'block')
  })

  test('a signature ignores it from anybody, and nothing else', async (t) => {
    const service = await open(t)
    const id = await ask(service, '203.0.113.9', { rule: 'noisy' })
    await say(service, `/v1/review/${id}/ignore`, { what: 'signature', for: '1h' })
    assert.equal(await judge(service, '192.0.2.1', { rule: 'noisy', severity: 90 }), 'ignore')
    assert.equal(await judge(service, '203.0.113.9', { rule: 'other', severity: 90 }), 'block')
  })

  test('a signature of one attacker ignores neither alone', async (t) => {
    const service = await open(t)
    const id = await ask(service, '203.0.113.9', { rule: 'noisy' })
    await say(service, `/v1/review/${id}/ignore`, { what: 'both', for: '1h' })
    assert.equal(await judge(service, '203.0.113.9', { rule: 'noisy', severity: 90 }), 'ignore')
    assert.equal(await judge(service, '192.0.2.1', { rule: 'noisy', severity: 90 }), 'block')
    assert.equal(await judge(service, '203.0.113.9', { rule: 'other', severity: 90 }), 'block')
  })

  test('is listed, ended by a person, and each step is in the journal', async (t) => {
    const service = await open(t)
    const id = await ask(service, '203.0.113.9')
    await say(service, `/v1/review/${id}/ignore`, { for: '1h', reason: 'a scan of ours' })
    const { ignoring } = read(await service.ask('GET', '/v1/ignored'))
    const [entry] = Array.isArray(ignoring) ? ignoring : []
    assert.deepEqual([entry?.target, entry?.reason], ['203.0.113.9', 'a scan of ours'])
    const ended = await say(service, `/v1/ignored/${entry?.id}/end`)
    assert.equal(ended.status, 200)
    assert.equal(await judge(service, '203.0.113.9', { severity: 90 }), 'block')
    assert.deepEqual(await told(service, entry?.id ?? ''), [
      'token/test-admin ignore.add',
      'token/test-admin ignore.end',
    ])
    assert.equal((await say(service, `/v1/ignored/${entry?.id}/end`)).body.code, 'not_found')
  })

  test('is taken back by undo: the question waits again and alerts count again', async (t) => {
    const service = await open(t)
    const id = await ask(service, '203.0.113.9')
    await say(service, `/v1/review/${id}/ignore`, { for: '1h' })
    assert.equal((await say(service, `/v1/review/${id}/undo`)).body.decision?.state, 'waiting')
    assert.equal(await judge(service, '203.0.113.9', { severity: 90 }), 'block')
    const { ignoring } = read(await service.ask('GET', '/v1/ignored'))
    assert.deepEqual(ignoring, [])
  })

  test('for ever, or for no time, is refused', async (t) => {
    const service = await open(t)
    const id = await ask(service, '203.0.113.9')
    for (const length of ['0s', '500d', 'soon']) {
      const answer = await say(service, `/v1/review/${id}/ignore`, { for: length })
      assert.equal(answer.body.code, 'invalid_input', length)
    }
  })

  test('holds after a restart', async (t) => {
    const service = await open(t)
    const id = await ask(service, '203.0.113.9')
    await say(service, `/v1/review/${id}/ignore`, { for: '1h' })
    const said = openSaid()
    await said.refresh(service.flow.store.read, service.clock.now)
    const alert = (
      await service.flow.store.read.selectFrom('alerts').select('body').executeTakeFirst()
    )?.body
    assert.ok(said.ignored(JSON.parse(alert ?? ''), service.clock.now))
  })
})

test('what is over is cleared away by the clock, and journalled', async (t) => {
  const service = await open(t)
  const id = await ask(service, '203.0.113.9')
  await service.flow.links.answersFor(id)
  const done = read(await say(service, `/v1/review/${id}/ignore`, { for: '1h' }))
  const ignored = done.ignoring && 'id' in done.ignoring ? done.ignoring.id : ''
  service.clock.now += 9 * 24 * hour
  await prune(service.flow.store, service.clock.now)
  const db = service.flow.store.read
  assert.deepEqual(await db.selectFrom('ignored').selectAll().execute(), [])
  assert.deepEqual(await db.selectFrom('links').selectAll().execute(), [])
  assert.deepEqual(await told(service, ignored), [
    'token/test-admin ignore.add',
    'clock ignore.end',
  ])
})

describe('to protect', () => {
  test('lifts what blocks the target, declines what asks about it, and nothing blocks it any more', async (t) => {
    const service = await open(t)
    const id = await ask(service, '203.0.113.9')
    await say(service, '/v1/decisions', { target: '203.0.113.9', for: '1h' })
    await say(service, '/v1/decisions', { target: '203.0.113.0/24', for: '1h' })
    await say(service, '/v1/decisions', { target: '192.0.2.1', for: '1h' })
    const done = read(await say(service, `/v1/review/${id}/protect`, { reason: 'our partner' }))
    assert.equal(done.message, '203.0.113.9 is protected; 2 blocks lifted, 1 question declined')
    assert.deepEqual(done.lifted.map(({ target }) => target).sort(), [
      '203.0.113.0/24',
      '203.0.113.9',
    ])
    assert.deepEqual(await held(service), ['192.0.2.1'])
    assert.equal(await judge(service, '203.0.113.9', { severity: 90 }), 'watch')
    const byHand = await say(service, '/v1/decisions', { target: '203.0.113.9', for: '1h' })
    assert.equal(byHand.body.code, 'protected_target')
    assert.match(done.proposal?.diff ?? '', /^\+ .*203\.0\.113\.9.*our partner/m)
  })

  test('is listed, and taken back by name', async (t) => {
    const service = await open(t)
    const id = await ask(service, '203.0.113.9')
    await say(service, `/v1/review/${id}/protect`, { reason: 'our partner' })
    const { sheltered } = read(await service.ask('GET', '/v1/sheltered'))
    assert.deepEqual(
      sheltered.map(({ address, why }) => [address, why]),
      [['203.0.113.9', 'our partner']],
    )
    assert.equal((await say(service, '/v1/sheltered/end', { address: '203.0.113.9' })).status, 200)
    assert.equal(await judge(service, '203.0.113.9', { severity: 90 }), 'block')
    const again = await say(service, '/v1/sheltered/end', { address: '203.0.113.9' })
    assert.equal(again.body.code, 'not_found')
    assert.deepEqual(await told(service, '203.0.113.9'), [
      'token/test-admin protect.add',
      'token/test-admin protect.end',
    ])
  })

  test('is taken back by undo, with its proposal', async (t) => {
    const service = await open(t)
    const id = await ask(service, '203.0.113.9')
    await say(service, `/v1/review/${id}/protect`)
    assert.equal((await say(service, `/v1/review/${id}/undo`)).body.decision?.state, 'waiting')
    assert.deepEqual(read(await service.ask('GET', '/v1/sheltered')).sheltered, [])
    assert.deepEqual(read(await service.ask('GET', '/v1/policy/proposals')).proposals, [])
    assert.equal(await judge(service, '203.0.113.9', { severity: 90 }), 'block')
  })

  test('twice is proposed once', async (t) => {
    const service = await open(t)
    const id = await ask(service, '203.0.113.9')
    await say(service, `/v1/review/${id}/protect`)
    assert.equal((await say(service, `/v1/review/${id}/protect`)).status, 200)
    assert.equal(read(await service.ask('GET', '/v1/policy/proposals')).proposals.length, 1)
  })

  test('holds against alerts that come at the same moment', async (t) => {
    const service = await open(t)
    const id = await ask(service, '203.0.113.9')
    const blocks = Array.from({ length: 20 }, () => judge(service, '203.0.113.9', { severity: 90 }))
    const [answer] = await Promise.all([say(service, `/v1/review/${id}/protect`), ...blocks])
    assert.equal(answer.status, 200)
    assert.deepEqual(await held(service), [])
    assert.equal(await judge(service, '203.0.113.9', { severity: 90 }), 'watch')
  })

  test('that somebody else said since is not taken back with it', async (t) => {
    const service = await open(t)
    const id = await ask(service, '203.0.113.9')
    const { body } = await say(service, '/v1/decisions', { target: '203.0.113.9', for: '1h' })
    await say(service, `/v1/review/${id}/protect`)
    service.clock.now += 1_000
    await say(service, `/v1/review/${body.decision?.id}/protect`)
    const answer = await say(service, `/v1/review/${id}/undo`)
    assert.equal(answer.body.code, 'conflict')
    assert.equal(await judge(service, '203.0.113.9', { severity: 90 }), 'watch')
  })
})
