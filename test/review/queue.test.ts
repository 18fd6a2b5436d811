/** The review queue: what waits, with all that is needed to answer it at night. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { nothingOutside } from '../../actions/decide/outside.ts'
import { decisionIdFrom, findDecision, insertDecisions } from '../../actions/store/decisions.ts'
import { noSources } from '../no-sources.ts'
import { plainPolicy } from '../service.ts'
import { ask, hour, open, person, queue, read, say, twoPeople } from './stage.ts'

describe('the review queue', () => {
  test('shows what waits, oldest first', async (t) => {
    const service = await open(t)
    const first = await ask(service, '203.0.113.9')
    service.clock.now += 1_000
    const second = await ask(service, '203.0.113.1')
    await ask(service, '203.0.113.2', { severity: 90 })
    const { waiting, questions } = await queue(service)
    assert.equal(waiting, 2)
    assert.deepEqual(
      questions.map(({ decision }) => decision.id),
      [first, second],
    )
  })

  test('says of each question what would be done, why, on which evidence, and until when it waits', async (t) => {
    const service = await open(t)
    await ask(service, '203.0.113.9', { rule: 'web-scan', user: 'anna' })
    service.clock.now += 2 * hour
    const [question] = (await queue(service)).questions
    assert.equal(question?.question, 'Block 203.0.113.9 for 2h, coming in, on all.')
    assert.deepEqual(question.decision.because, ['The rule "doubtful" matched: it is in doubt.'])
    assert.deepEqual(
      question.evidence.map(({ attacker, rule, user }) => [attacker, rule.id, user]),
      [['203.0.113.9', 'web-scan', 'anna']],
    )
    assert.equal(question.until, '2026-03-02T03:00:00.000Z')
    assert.equal(question.left_s, 22 * 3_600)
    assert.equal(question.otherwise, 'If nobody answers within 22h, it is declined.')
  })

  test('says what sources outside knew when it was judged', async (t) => {
    const place = { country: 'NL', city: '', asn: 64_500, as_owner: 'Example', anonymous: [] }
    const said = { place, lists: ['drop'], ready: ['country', 'asn', 'drop'] }
    const sources = { ...noSources, of: () => ({ ...nothingOutside, ...said }) }
    const service = await open(t, { sources })
    await ask(service, '203.0.113.9')
    const [question] = (await queue(service)).questions
    assert.deepEqual(question?.known, [
      'The attacker is in NL, network AS64500 (Example).',
      'The attacker is on the list drop.',
    ])
  })

  test('shows with a question that came out of a provisional block the alerts behind that', async (t) => {
    const service = await open(t)
    const block = await ask(service, '203.0.113.9', { severity: 80 })
    const made = await findDecision(service.flow.store.read, block)
    assert.ok(made)
    const id = decisionIdFrom(`review:${block}`)
    await service.flow.store.write((tx) =>
      insertDecisions(tx, [{ ...made, id, state: 'waiting', issued: null, notAfter: null }]),
    )
    const [question] = (await queue(service)).questions
    assert.deepEqual(
      question?.evidence.map(({ attacker }) => attacker),
      ['203.0.113.9'],
    )
    const ignored = await say(service, `/v1/review/${id}/ignore`, { what: 'signature', for: '1h' })
    assert.equal(ignored.status, 200, ignored.text)
  })

  test('says what blocks the target already', async (t) => {
    const service = await open(t)
    await say(service, '/v1/decisions', { target: '203.0.113.0/24', for: '1h' })
    const id = await ask(service, '203.0.113.9')
    const { question } = read(await service.ask('GET', `/v1/review/${id}`))
    assert.deepEqual(
      question?.standing.map(({ target }) => target),
      ['203.0.113.0/24'],
    )
  })

  test('says that the clock blocks only where the policy and two people allow it', async (t) => {
    const service = await open(t, {
      policy: twoPeople.replace('review: {', 'review: { at_timeout: block,'),
    })
    await ask(service, '203.0.113.9')
    await ask(service, '192.0.2.9', { severity: 60 })
    const { questions } = await queue(service)
    assert.deepEqual(questions.map(({ at_timeout, needs_two }) => [at_timeout, needs_two]).sort(), [
      ['block', false],
      ['decline', true],
    ])
  })

  test('is narrowed by rule, by network and by age', async (t) => {
    const service = await open(t, {
      policy: plainPolicy.replace(
        '  - { name: doubtful',
        '  - { name: odd, because: it is odd, when: alert.severity == 45, verdict: review, for: 1h }\n  - { name: doubtful',
      ),
    })
    const odd = await ask(service, '203.0.113.9', { severity: 45 })
    service.clock.now += hour
    const young = await ask(service, '192.0.2.9')
    const ids = async (query: string) =>
      (await queue(service, query)).questions.map(({ decision }) => decision.id)
    assert.deepEqual(await ids('?rule=odd'), [odd])
    assert.deepEqual(await ids('?target=192.0.2.0/24'), [young])
    assert.deepEqual(await ids('?older_than=30m'), [odd])
    assert.deepEqual(await ids('?target=192.0.2.0/24&rule=odd'), [])
    const wrong = await service.ask('GET', '/v1/review?target=nonsense')
    assert.equal(wrong.body.code, 'address_invalid')
  })

  test('says of a decision that waits no more what became of it', async (t) => {
    const service = await open(t)
    const id = await ask(service, '203.0.113.9')
    await say(service, `/v1/decisions/${id}/decline`)
    const answer = await service.ask('GET', `/v1/review/${id}`)
    assert.equal(answer.body.detail, `${id} waits for nobody: it is declined by token/test-admin`)
    const unknown = await service.ask('GET', '/v1/review/d-0000000000000000')
    assert.equal(unknown.body.code, 'not_found')
  })

  test('is for who may read; to answer needs more', async (t) => {
    const service = await open(t)
    const id = await ask(service, '203.0.113.9')
    const reader = await person(service, 'read')
    assert.equal((await service.ask('GET', '/v1/review', { token: reader })).status, 200)
    for (const verb of ['ignore', 'always', 'protect', 'undo'])
      assert.equal((await say(service, `/v1/review/${id}/${verb}`, {}, reader)).status, 403, verb)
    const bulk = { do: 'decline', ids: [id] }
    assert.equal((await say(service, '/v1/review/bulk', bulk, reader)).status, 403)
  })

  test('wants a reason for every answer', async (t) => {
    const service = await open(t)
    const id = await ask(service, '203.0.113.9')
    for (const [verb, body] of [
      ['ignore', { for: '1h' }],
      ['always', {}],
      ['protect', {}],
      ['undo', {}],
    ] as const) {
      const answer = await say(service, `/v1/review/${id}/${verb}`, { ...body, reason: ' ' })
      assert.deepEqual([verb, answer.body.code], [verb, 'invalid_input'])
    }
    assert.equal((await queue(service)).waiting, 1)
  })
})

describe('an approval', () => {
  test('for an audience that no node is in is refused, and names the nearest', async (t) => {
    const service = await open(t)
    await service.enrol('web-01', ['web'])
    const id = await ask(service, '203.0.113.9')
    const wrong = await say(service, `/v1/decisions/${id}/approve`, { audience: ['group/wep'] })
    assert.deepEqual(
      [wrong.status, wrong.body.detail, wrong.body.remedy],
      [400, 'there is no node in group/wep', 'did you mean group/web?'],
    )
    const right = await say(service, `/v1/decisions/${id}/approve`, { audience: ['group/web'] })
    assert.equal(right.status, 200)
  })

  test('for longer than a year is refused, and the question still waits', async (t) => {
    const service = await open(t)
    const id = await ask(service, '203.0.113.9')
    const answer = await say(service, `/v1/decisions/${id}/approve`, { for: '400d' })
    assert.deepEqual([answer.status, answer.body.code], [400, 'invalid_input'])
    assert.equal((await queue(service)).waiting, 1)
  })
})

describe('one answer to many questions', () => {
  test('answers each by itself, and a broken one spoils nothing', async (t) => {
    const service = await open(t)
    const ids = [await ask(service, '203.0.113.1'), await ask(service, '203.0.113.2')]
    await say(service, `/v1/decisions/${ids[1]}/decline`)
    const answer = await say(service, '/v1/review/bulk', {
      do: 'approve',
      ids: [...ids, 'd-0000000000000000', ids[0]],
      for: '30m',
    })
    const { items, message } = read(answer)
    assert.deepEqual(
      items.map(({ id, status, problem }) => [id, status, problem?.code]),
      [
        [ids[0], 'done', undefined],
        [ids[1], 'refused', 'conflict'],
        ['d-0000000000000000', 'refused', 'not_found'],
      ],
    )
    assert.equal(message, '1 answered, 2 refused')
  })

  test('is shown before it is given, and then does the same', async (t) => {
    const service = await open(t)
    const near = await ask(service, '203.0.113.1')
    await ask(service, '192.0.2.1')
    const body = { do: 'decline', filter: { target: '203.0.113.0/24' } }
    const preview = read(await say(service, '/v1/review/bulk', { ...body, preview: true }))
    assert.deepEqual(
      preview.items.map(({ id, status }) => [id, status]),
      [[near, 'would']],
    )
    assert.equal((await queue(service)).waiting, 2)
    const done = read(await say(service, '/v1/review/bulk', body))
    assert.deepEqual(
      done.items.map(({ id, status }) => [id, status]),
      [[near, 'done']],
    )
    assert.equal((await queue(service)).waiting, 1)
  })

  test('to all has to be said outright', async (t) => {
    const service = await open(t)
    await ask(service, '203.0.113.1')
    for (const wrong of [
      { filter: {} },
      {},
      { filter: { all: true, rule: 'doubtful' } },
      { filter: { all: true }, ids: ['d-0000000000000000'] },
    ]) {
      const answer = await say(service, '/v1/review/bulk', { do: 'decline', ...wrong })
      assert.equal(answer.body.code, 'invalid_input', JSON.stringify(wrong))
    }
    const all = { do: 'decline', filter: { all: true } }
    assert.equal(read(await say(service, '/v1/review/bulk', all)).message, '1 answered')
  })

  test('takes only what the answer means', async (t) => {
    const service = await open(t)
    const ids = [await ask(service, '203.0.113.1')]
    for (const wrong of [
      { do: 'decline', for: '1h' },
      { do: 'decline', audience: ['all'] },
      { do: 'approve', what: 'attacker' },
      { do: 'ignore' },
      { do: 'lift' },
    ]) {
      const answer = await say(service, '/v1/review/bulk', { ids, ...wrong })
      assert.equal(answer.body.code, 'invalid_input', JSON.stringify(wrong))
    }
  })
})
