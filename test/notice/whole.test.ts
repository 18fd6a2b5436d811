/** From the journal to a real mail server and a real web hook, with the settings as an administrator gives them. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { SMTPServer } from 'smtp-server'
import { Webhook } from 'standardwebhooks'
import { loadConnectors } from '../../actions/load-connectors.ts'
import { openChannels } from '../../actions/notice/open-channels.ts'
import { until } from '../crash/until.ts'
import { openStage, type Stage } from './stage.ts'

const secret = `whsec_${Buffer.alloc(32, 9).toString('base64')}`

let stage: Stage
let folder: string
const closing: (() => Promise<unknown>)[] = []
beforeEach(async () => {
  stage = await openStage()
  folder = mkdtempSync(join(tmpdir(), 'cordon-notice-'))
})
afterEach(async () => {
  await stage.close()
  for (const close of closing.splice(0)) await close()
  rmSync(folder, { recursive: true, force: true })
})

/** Greylists: each recipient is turned away at the first time. */
async function mailServer() {
  const mails: string[] = []
  const seen = new Set<string>()
  const server = new SMTPServer({
    authOptional: true,
    disableReverseLookup: true,
    disabledCommands: ['STARTTLS'],
    onRcptTo: ({ address }, _, done) => {
      if (seen.has(address)) return done()
      seen.add(address)
      done(Object.assign(new Error('greylisted, come back'), { responseCode: 451 }))
    },
    onData: (stream, _, done) => {
      let text = ''
      stream.on('data', (piece: Buffer) => {
        text += piece.toString()
      })
      stream.on('end', () => {
        mails.push(text)
        done()
      })
    },
  })
  const listening = server.listen(0, '127.0.0.1')
  await new Promise((done) => listening.once('listening', done))
  closing.push(() => new Promise((done) => void server.close(() => done(undefined))))
  return { mails, port: (listening.address() as AddressInfo).port }
}

async function webhook() {
  const bodies: unknown[] = []
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const piece of request) body += piece
    const headers = Object.fromEntries(
      Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
    )
    bodies.push(new Webhook(secret).verify(body, headers))
    response.writeHead(204).end()
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  closing.push(() => new Promise((done) => server.close(done)))
  return { bodies, port: (server.address() as AddressInfo).port }
}

test('a change reaches the mailbox and the web hook that the environment names, also past a greylist', async () => {
  const mail = await mailServer()
  const hook = await webhook()
  const secretFile = join(folder, 'secret')
  writeFileSync(secretFile, `${secret}\n`)
  const connectors = await loadConnectors(
    ['email', 'webhook-out', 'webhook'],
    { email: { to: ['oncall@example.org'], from: 'cordon@example.org', security: 'none' } },
    {
      CORDON_EMAIL_HOST: '127.0.0.1',
      CORDON_EMAIL_PORT: String(mail.port),
      CORDON_EMAIL_EVENTS: 'node.*, key.rotate',
      CORDON_WEBHOOK_OUT_URL: `http://127.0.0.1:${hook.port}/cordon`,
      CORDON_WEBHOOK_OUT_SECRET_FILE: secretFile,
      CORDON_WEBHOOK_OUT_EVENTS: '*',
    },
  )
  const channels = openChannels(connectors)
  assert.deepEqual([...channels.keys()], ['email', 'webhook-out'])
  const notices = await stage.open(Object.fromEntries(channels))
  await stage.append(
    { action: 'node.degraded', actor: 'node/web-01', after: { detail: 'the kernel refuses' } },
    { action: 'token.revoke', subject: 't-1' },
  )
  notices.wake()
  await stage.pass(1_000)
  await until('the hook is told both', async () => {
    await stage.pass(0)
    return hook.bodies.length < 2 && `${hook.bodies.length} came`
  })
  await until('the mail is held', async () => {
    await stage.pass(0)
    return notices.channels()[0]?.state === 'ready' && 'still ready'
  })
  assert.match(notices.channels()[0]?.problem ?? '', /greylisted/)
  await stage.pass(10_000)
  await until('the mail arrives', async () => {
    await stage.pass(0)
    return mail.mails.length < 1 && 'none came'
  })
  assert.match(mail.mails[0] ?? '', /Subject: \[Cordon\] Node web-01 is not well/)
  assert.match(mail.mails[0] ?? '', /the kernel refuses/)
  assert.equal(mail.mails.length, 1, 'and not the token, which its settings do not name')
})
