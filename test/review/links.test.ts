/** One-time links: they answer one question once, mail scanners change nothing by following them, and nobody logs them. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { sign } from '../../actions/flow/sign.ts'
import type { TestService } from '../service.ts'
import { ask, held, hour, open, say, stateOf, told, twoPeople } from './stage.ts'

const base = 'http://127.0.0.1:8055'

/** Paths of the links of a question, by what they do. */
async function links(service: TestService, id: string): Promise<Record<string, string>> {
  const answers = await service.flow.links.answersFor(id)
  for (const { url } of answers) assert.ok(url.startsWith(`${base}/v1/answer/`), url)
  return Object.fromEntries(answers.map(({ label, url }) => [label, url.slice(base.length)]))
}

/** As a browser follows it. */
async function visit(service: TestService, path = '') {
  const response = await service.app.request(path, { headers: { accept: 'text/html' } })
  return { status: response.status, headers: response.headers, page: await response.text() }
}

/** As the form of the page sends it. */
async function send(service: TestService, path = '', reason = 'seen on the phone') {
  const response = await service.app.request(path, {
    method: 'POST',
    headers: { accept: 'text/html', 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({ reason }).toString(),
  })
  return { status: response.status, headers: response.headers, page: await response.text() }
}

describe('a link of a notice', () => {
  test('says what it will do and does nothing, however often it is followed', async (t) => {
    const service = await open(t)
    const id = await ask(service, '203.0.113.9')
    const { Approve } = await links(service, id)
    for (let times = 0; times < 3; times++) {
      const { status, page } = await visit(service, Approve)
      assert.equal(status, 200)
      assert.match(page, /Approve: block 203\.0\.113\.9 for 2h on all\?/)
      assert.match(page, /Nothing has happened yet/)
      assert.match(page, /The rule &quot;doubtful&quot; matched/)
    }
    assert.equal(await stateOf(service, id), 'waiting')
    assert.deepEqual(await told(service, id), ['policy decision.wait'])
  })

  test('approves when its form is sent, with the reason, as the link of that question', async (t) => {
    const service = await open(t)
    const id = await ask(service, '203.0.113.9')
    const { Approve } = await links(service, id)
    const { status, page } = await send(service, Approve)
    assert.equal(status, 200)
    assert.match(page, /Approved: 203\.0\.113\.9 is being blocked/)
    assert.deepEqual(await held(service), ['203.0.113.9'])
    assert.deepEqual(await told(service, id), [
      'policy decision.wait',
      `link/${id} decision.approve`,
    ])
    const journal = await service.ask('GET', `/v1/journal?subject=${id}`)
    assert.match(journal.text, /seen on the phone/)
  })

  test('declines when it is the other one', async (t) => {
    const service = await open(t)
    const id = await ask(service, '203.0.113.9')
    const { Decline } = await links(service, id)
    assert.match((await send(service, Decline)).page, /Declined: 203\.0\.113\.9 is not blocked/)
    assert.equal(await stateOf(service, id), 'declined')
  })

  test('works once, and the other dies with it', async (t) => {
    const service = await open(t)
    const id = await ask(service, '203.0.113.9')
    const { Approve, Decline } = await links(service, id)
    const later = await links(service, id)
    await send(service, Decline)
    for (const path of [Approve, Decline, later.Approve, later.Decline]) {
      const again = await send(service, path)
      assert.equal(again.status, 409)
      assert.match(again.page, /answered before/)
      assert.match(again.page, new RegExp(`declined by link/${id}`))
      assert.equal((await visit(service, path)).status, 409)
    }
    assert.equal(await stateOf(service, id), 'declined')
  })

  test('dies when somebody decides otherwise, and stays dead when that is undone', async (t) => {
    const service = await open(t)
    const id = await ask(service, '203.0.113.9')
    const { Approve } = await links(service, id)
    await say(service, `/v1/decisions/${id}/decline`)
    assert.equal((await send(service, Approve)).status, 409)
    await say(service, `/v1/review/${id}/undo`)
    assert.equal((await send(service, Approve)).status, 409)
    assert.equal(await stateOf(service, id), 'waiting')
    const fresh = await links(service, id)
    assert.equal((await send(service, fresh.Approve)).status, 200)
  })

  test('ends with the time of its question', async (t) => {
    const service = await open(t)
    const id = await ask(service, '203.0.113.9')
    const { Approve } = await links(service, id)
    service.clock.now += 24 * hour
    const late = await send(service, Approve)
    assert.equal(late.status, 401)
    assert.match(late.page, /this link ended at 2026-03-02T03:00:00/)
    assert.equal(await stateOf(service, id), 'waiting')
  })

  test('that is forged, cut or made up is not known', async (t) => {
    const service = await open(t)
    const id = await ask(service, '203.0.113.9')
    const { Approve = '' } = await links(service, id)
    for (const path of [Approve.slice(0, -1), `${Approve}0`, '/v1/answer/x', `/v1/answer/${id}`]) {
      assert.equal((await send(service, path)).status, 404, path)
      assert.equal((await visit(service, path)).status, 404, path)
    }
  })

  test('whose words were changed under its signature is not known', async (t) => {
    const service = await open(t)
    const id = await ask(service, '203.0.113.9')
    const { Decline = '' } = await links(service, id)
    const [head, body = '', signature] = Decline.replace(/.*\/answer\//, '').split('.')
    const claims = JSON.parse(Buffer.from(body, 'base64url').toString())
    const changed = Buffer.from(JSON.stringify({ ...claims, answer: 'approve' }))
    const path = `/v1/answer/${head}.${changed.toString('base64url')}.${signature}`
    assert.equal((await send(service, path)).status, 404)
    assert.equal(await stateOf(service, id), 'waiting')
  })

  test('is known by its signature, also after another key signs, until that one is retired', async (t) => {
    const service = await open(t)
    const id = await ask(service, '203.0.113.9')
    const { Approve = '' } = await links(service, id)
    await service.ask('POST', '/v1/keys/rotate')
    assert.equal((await visit(service, Approve)).status, 200)
    await service.ask('POST', '/v1/keys/rotate?retire=true')
    assert.equal((await visit(service, Approve)).status, 404)
  })

  test('is no envelope: another statement of the same key answers nothing', async (t) => {
    const service = await open(t)
    const id = await ask(service, '203.0.113.9')
    await links(service, id)
    const { keys } = service.flow
    const head = sign(keys.current(), 'cordon-head+jwt', {
      iss: keys.issuer,
      sub: id,
      answer: 'approve',
      jti: 'x',
    })
    assert.equal((await visit(service, `/v1/answer/${head}`)).status, 404)
  })

  test('wants a reason', async (t) => {
    const service = await open(t)
    const id = await ask(service, '203.0.113.9')
    const { Approve } = await links(service, id)
    for (const reason of ['', '  ', 'x'.repeat(501)])
      assert.equal((await send(service, Approve, reason)).status, 400)
    assert.equal(await stateOf(service, id), 'waiting')
  })

  test('of which two are used at once does one thing', async (t) => {
    const service = await open(t)
    const id = await ask(service, '203.0.113.9')
    const { Approve, Decline } = await links(service, id)
    const done = await Promise.all([
      send(service, Approve),
      send(service, Decline),
      send(service, Approve),
      say(service, `/v1/decisions/${id}/decline`),
    ])
    assert.deepEqual(done.map(({ status }) => status).sort(), [200, 409, 409, 409])
  })

  test('cannot be one of the two people that a wide network needs', async (t) => {
    const service = await open(t, { policy: twoPeople.replace(/^review: .*$/m, '') })
    const id = await ask(service, '203.0.113.9', { severity: 60 })
    const { Approve } = await links(service, id)
    service.setPolicy(twoPeople)
    assert.deepEqual(Object.keys(await links(service, id)), ['Decline'])
    const alone = await send(service, Approve)
    assert.equal(alone.status, 403)
    assert.match(alone.page, /a link is nobody/)
    await say(service, `/v1/decisions/${id}/approve`)
    assert.equal((await send(service, Approve)).status, 403)
    assert.deepEqual(await held(service), [])
    const { Decline } = await links(service, id)
    assert.equal((await send(service, Decline)).status, 200)
  })

  test('does not block what was protected since', async (t) => {
    const service = await open(t)
    const id = await ask(service, '203.0.113.9')
    const { Approve } = await links(service, id)
    const other = await say(service, '/v1/decisions', { target: '203.0.113.8/30', for: '1h' })
    await say(service, `/v1/review/${other.body.decision?.id}/protect`)
    assert.equal((await send(service, Approve)).status, 409)
    assert.deepEqual(await held(service), [])
  })

  test('is not made for what waits no more', async (t) => {
    const service = await open(t)
    const id = await ask(service, '203.0.113.9')
    await say(service, `/v1/decisions/${id}/decline`)
    assert.deepEqual(await links(service, id), {})
    assert.deepEqual(await links(service, 'd-0000000000000000'), {})
  })
})

describe('the page of a link', () => {
  test('runs nothing, is kept by nobody, and does not say where it came from', async (t) => {
    const service = await open(t)
    const id = await ask(service, '203.0.113.9')
    const { Approve } = await links(service, id)
    for (const { headers, page } of [
      await visit(service, Approve),
      await visit(service, `${Approve}0`),
    ]) {
      assert.match(headers.get('content-type') ?? '', /^text\/html/)
      assert.match(headers.get('content-security-policy') ?? '', /default-src 'none'/)
      assert.match(headers.get('content-security-policy') ?? '', /frame-ancestors 'none'/)
      assert.equal(headers.get('referrer-policy'), 'no-referrer')
      assert.equal(headers.get('cache-control'), 'no-store')
      assert.doesNotMatch(page, /<script/i)
    }
  })

  test('shows what an attacker chose as text', async (t) => {
    const policy = `
version: 1
rules:
  - { name: "<b>odd</b>", because: "<script>alert(1)</script>", when: "true", verdict: review, for: 1h }
`
    const service = await open(t, { policy })
    const id = await ask(service, '203.0.113.9')
    const { page } = await visit(service, (await links(service, id)).Approve)
    assert.match(page, /&lt;script&gt;/)
    assert.doesNotMatch(page, /<script|<b>/)
  })

  test('is a problem as JSON for who reads no HTML', async (t) => {
    const service = await open(t)
    const answer = await service.ask('GET', '/v1/answer/unknown', { token: null })
    assert.deepEqual([answer.status, answer.body.code], [404, 'not_found'])
    assert.equal(answer.headers.get('cache-control'), 'no-store')
  })

  test('is not given without end to who tries', async (t) => {
    const service = await open(t)
    let refused = 0
    for (let tries = 0; tries < 80; tries++)
      if ((await visit(service, '/v1/answer/guess')).status === 429) refused++
    assert.ok(refused > 20, String(refused))
  })
})

test('the secret of a link is in no log, no journal and no table, whatever goes wrong', async (t) => {
  const service = await open(t)
  const id = await ask(service, '203.0.113.9')
  const { Approve = '', Decline = '' } = await links(service, id)
  await visit(service, Approve)
  t.mock.method(service.flow.links, 'read', () => Promise.reject(new Error('the disk is gone')))
  assert.equal((await visit(service, Approve)).status, 500)
  t.mock.restoreAll()
  await send(service, Approve)
  await send(service, Decline)
  const db = service.flow.store.read
  const kept = JSON.stringify([
    service.logged,
    await db.selectFrom('journal').selectAll().execute(),
    await db.selectFrom('links').selectAll().execute(),
    await db.selectFrom('decisions').selectAll().execute(),
  ])
  assert.match(service.logged.join(), /the disk is gone/)
  for (const path of [Approve, Decline])
    assert.ok(!kept.includes(path.split('/').at(-1) ?? ''), path)
})
