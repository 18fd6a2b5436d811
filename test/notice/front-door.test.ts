/** Dead letters and channels through the API and the command line: seen, tried out, sent again. */
import assert from 'node:assert/strict'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { serve } from '@hono/node-server'
import { OpenAPIHono } from '@hono/zod-openapi'
import { Problem, toProblem } from '#contract/problem.ts'
import { mountNotices } from '../../actions/api/notices.ts'
import type { App, Env } from '../../actions/api/route.ts'
import { insertDecisions } from '../../actions/store/decisions.ts'
import { listDeadLetters } from '../../actions/store/notices.ts'
import type { Scope } from '../../actions/store/tokens.ts'
import { type } from '../command/terminal.ts'
import { checkAnswer } from '../documented.ts'
import { openStage, type Recorder, recorder, type Stage, waiting } from './stage.ts'

const refused = () => new Problem('invalid_input', 'it answered 410', { remedy: 'make a new one' })
const { id } = waiting

let stage: Stage
let mail: Recorder
let app: App
let scopes: Scope[]

/** As makeApp has it around every operation. */
function appAround(mounted: Parameters<typeof mountNotices>[1]): App {
  const app: App = new OpenAPIHono<Env>()
  app.onError((error, context) => {
    const problem = toProblem(error)
    return new Response(JSON.stringify(problem), {
      status: problem.status,
      headers: { 'content-type': 'application/problem+json', 'x-path': context.req.path },
    })
  })
  app.use(async (context, next) => {
    context.set('caller', { kind: 'token', name: 'anna', scopes, actor: 'token/anna' })
    await next()
  })
  mountNotices(app, mounted)
  return app
}

beforeEach(async () => {
  stage = await openStage()
  scopes = ['admin']
  mail = recorder({ tries: 1 })
  const answersFor = async (decision: string) => [
    { label: 'Approve', url: `https://cordon.example.org/${decision}/${mail.tries.length}` },
  ]
  const notices = await stage.open({ mail }, { answersFor })
  app = appAround({ store: stage.store, notices })
})
afterEach(() => stage.close())

async function ask(method: 'GET' | 'POST', path: string, body?: unknown) {
  const response = await app.request(path, {
    method,
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  const text = await response.text()
  const kind = response.headers.get('content-type') ?? ''
  checkAnswer(app, method, path, { status: response.status, type: kind, text })
  return { status: response.status, body: JSON.parse(text) }
}

/** A question whose message is given up for. */
async function buried(): Promise<string> {
  mail.answer = () => refused()
  await stage.store.write((tx) => insertDecisions(tx, [waiting]))
  await stage.append({ action: 'decision.wait', subject: id, after: { target: '203.0.113.7' } })
  await stage.pass(60_000)
  mail.answer = () => undefined
  const [letter] = await listDeadLetters(stage.store.read, 1)
  assert.ok(letter)
  return letter.id
}

describe('over HTTP', () => {
  test('channels are listed with how they fare', async () => {
    await buried()
    const { body } = await ask('GET', '/v1/notices/channels')
    assert.deepEqual(body.channels, [
      { name: 'mail', state: 'failing', waiting: 0, problem: 'it answered 410' },
    ])
  })

  test('a dead letter holds what was to be told, and none of the links by which to answer', async () => {
    const letter = await buried()
    const { body } = await ask('GET', '/v1/notices/dead')
    const [shown] = body.dead
    assert.deepEqual(
      [shown.id, shown.channel, shown.tries, shown.problem],
      [letter, 'mail', 1, 'it answered 410'],
    )
    assert.equal(shown.notices[0].title, 'Waits for a person: block 203.0.113.7?')
    assert.doesNotMatch(JSON.stringify(body), /cordon\.example\.org/)
    const stored = await stage.store.read.selectFrom('notice_dead_letters').selectAll().execute()
    assert.doesNotMatch(JSON.stringify(stored), /cordon\.example\.org/)
  })

  test('a dead letter is sent again under its old id, with new links, and is gone then', async () => {
    const letter = await buried()
    const [first] = mail.tries
    const { status } = await ask('POST', `/v1/notices/dead/${letter}/resend`, {})
    assert.equal(status, 200)
    assert.deepEqual(mail.tries.at(-1)?.ids, first?.ids)
    assert.deepEqual(mail.taken[0]?.[0]?.answers, [
      { label: 'Approve', url: `https://cordon.example.org/${id}/1` },
    ])
    assert.deepEqual((await ask('GET', '/v1/notices/dead')).body.dead, [])
    assert.equal((await ask('POST', `/v1/notices/dead/${letter}/resend`, {})).status, 404)
    const last = await stage.store.read
      .selectFrom('journal')
      .select(['actor', 'action', 'subject'])
      .orderBy('seq', 'desc')
      .executeTakeFirst()
    assert.deepEqual({ ...last }, { actor: 'token/anna', action: 'notice.resend', subject: letter })
  })

  test('a question that was answered meanwhile is sent again without links', async () => {
    const letter = await buried()
    await stage.store.write((tx) =>
      tx.updateTable('decisions').set({ state: 'declined' }).execute(),
    )
    await ask('POST', `/v1/notices/dead/${letter}/resend`, {})
    assert.deepEqual(mail.taken[0]?.[0]?.answers, [])
  })

  test('a dead letter that is refused again stays', async () => {
    const letter = await buried()
    mail.answer = () => refused()
    const { status, body } = await ask('POST', `/v1/notices/dead/${letter}/resend`, {})
    assert.deepEqual(
      [status, body.detail, body.remedy],
      [503, 'mail did not take it: it answered 410', 'make a new one'],
    )
    assert.equal((await ask('GET', '/v1/notices/dead')).body.dead.length, 1)
  })

  test('a dead letter is sent once, however many ask for it at once', async () => {
    const letter = await buried()
    const path = `/v1/notices/dead/${letter}/resend`
    const answers = await Promise.all([ask('POST', path, {}), ask('POST', path, {})])
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 409])
    assert.equal(mail.taken.length, 1)
  })

  test('a test notice says that it is one, and whether the channel took it', async () => {
    assert.equal((await ask('POST', '/v1/notices/test', { channel: 'mail' })).status, 200)
    assert.deepEqual(mail.events(), ['notice.test'])
    mail.answer = () => refused()
    assert.equal((await ask('POST', '/v1/notices/test', { channel: 'mail' })).status, 503)
  })

  test('a channel that does not run is not found, and the nearest is named', async () => {
    const { status, body } = await ask('POST', '/v1/notices/test', { channel: 'mial' })
    assert.deepEqual([status, body.remedy], [404, 'did you mean mail?'])
  })

  test('who may only read sends nothing', async () => {
    const letter = await buried()
    scopes = ['read']
    assert.equal((await ask('GET', '/v1/notices/dead')).status, 200)
    assert.equal((await ask('POST', '/v1/notices/test', { channel: 'mail' })).status, 403)
    assert.equal((await ask('POST', `/v1/notices/dead/${letter}/resend`, {})).status, 403)
    assert.deepEqual(mail.taken, [])
  })
})

test('on the command line channels and dead letters are seen, tried out and sent again', async () => {
  const letter = await buried()
  const server = serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 })
  await new Promise((done) => server.once('listening', done))
  const { port } = server.address() as AddressInfo
  const environment = { CORDON_URL: `http://127.0.0.1:${port}`, CORDON_TOKEN: 'any' }
  const run = (...words: string[]) => type(words, { environment, now: () => stage.clock.now })
  try {
    const { out } = await run('notice', 'list')
    assert.match(
      out,
      /^CHANNEL +STATE +WAITING +LAST +PROBLEM\nmail +failing +0 +- +it answered 410\n/,
    )
    assert.match(
      out,
      new RegExp(`\\n${letter} +mail .* 1 +Waits for a person: block 203\\.0\\.113\\.7\\?`),
    )
    assert.equal((await run('notice', 'test', 'mail')).out, 'mail took a test notice\n')
    assert.equal((await run('notice', 'resend', letter)).out, `mail took ${letter}\n`)
    const again = await run('notice', 'resend', letter)
    assert.equal(again.code, 1)
    assert.match(again.err, /^error: there is no dead letter .*\nhint: see "cordon notice list"\n/)
    const { out: json } = await run('notice', 'list', '--json')
    assert.deepEqual(JSON.parse(json).dead, [])
  } finally {
    await new Promise((done) => server.close(done))
  }
})
