/** Mail against a real SMTP server in this process: who is let in, what arrives, and what each refusal means. */
import assert from 'node:assert/strict'
import { createConnection, createServer, type Socket } from 'node:net'
import { afterEach, before, describe, test } from 'node:test'
import { SMTPServer, type SMTPServerOptions } from 'smtp-server'
import type { Publisher } from '#contract/connector.ts'
import { Problem } from '#contract/problem.ts'
import { connector } from '../../connectors/email/connector.ts'
import { mailOf } from '../../connectors/email/mail.ts'
import { approve, notice, ownCertificate } from './told.ts'

const never = new AbortController().signal
type Mail = { from: string; to: string[]; user: string | undefined; secure: boolean; text: string }

const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

let certificate: Awaited<ReturnType<typeof ownCertificate>>
before(async () => {
  certificate = await ownCertificate()
})

class Refusal extends Error {
  responseCode: number
  constructor(responseCode: number, message: string) {
    super(message)
    this.responseCode = responseCode
  }
}

/** Takes mail of anna with the password "right", over STARTTLS, unless a test says otherwise. */
async function mailServer(options: SMTPServerOptions = {}) {
  const mails: Mail[] = []
  const server = new SMTPServer({
    ...certificate,
    disableReverseLookup: true,
    closeTimeout: 100,
    onAuth: ({ username, password }, _, done) =>
      username === 'anna' && password === 'right'
        ? done(null, { user: username })
        : done(new Refusal(535, 'no such user')),
    onData: (stream, session, done) => {
      let text = ''
      stream.setEncoding('utf8')
      stream.on('data', (piece: string) => {
        text += piece
      })
      stream.on('end', () => {
        const { mailFrom, rcptTo } = session.envelope
        mails.push({
          from: mailFrom === false ? '' : mailFrom.address,
          to: rcptTo.map(({ address }) => address),
          user: typeof session.user === 'string' ? session.user : undefined,
          secure: session.secure === true,
          text,
        })
        done()
      })
    },
    ...options,
  })
  server.on('error', () => {})
  const listening = server.listen(0, '127.0.0.1')
  await new Promise((done) => listening.once('listening', done))
  const address = listening.address()
  closing.push(() => new Promise((done) => void server.close(() => done())))
  return { mails, port: typeof address === 'object' && address ? address.port : 0 }
}

function mailbox(port: number, more: Record<string, unknown> = {}): Publisher {
  const publisher = connector.publisher?.(
    connector.settings.parse({
      host: '127.0.0.1',
      port,
      ca: certificate.cert,
      user: 'anna',
      password: 'right',
      from: 'cordon@example.org',
      to: ['oncall@example.org'],
      ...more,
    }),
  )
  assert.ok(publisher)
  closing.push(async () => publisher.close?.())
  return publisher
}

async function problemOf(work: Promise<void>): Promise<Problem> {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  assert.ok(error instanceof Problem, String(error))
  assert.doesNotMatch(`${error.stack} ${JSON.stringify(error)}`, /right/, 'no password is shown')
  return error
}

const header = (mail: Mail | undefined, name: string): string =>
  new RegExp(`^${name}: (.*(?:\r?\n[ \t].*)*)`, 'im').exec(mail?.text ?? '')?.[1] ?? ''

describe('a mail', () => {
  test('goes over STARTTLS, after logging in, to everybody who is named', async () => {
    const { mails, port } = await mailServer()
    await mailbox(port, { to: 'oncall@example.org, boss@example.org' }).publish([notice(1)], never)
    const [mail] = mails
    assert.deepEqual(
      [mail?.from, mail?.to, mail?.user, mail?.secure],
      ['cordon@example.org', ['oncall@example.org', 'boss@example.org'], 'anna', true],
    )
  })

  test('goes over TLS from the start where that is set', async () => {
    const { mails, port } = await mailServer({ secure: true })
    await mailbox(port, { security: 'tls' }).publish([notice(1)], never)
    assert.equal(mails[0]?.secure, true)
  })

  test('has one Message-ID however often it is tried, and says that a program wrote it', async () => {
    const { mails, port } = await mailServer()
    const publisher = mailbox(port)
    for (const notices of [[notice(1)], [notice(1)], [notice(2)]])
      await publisher.publish(notices, never)
    const ids = mails.map((mail) => header(mail, 'message-id'))
    assert.match(ids[0] ?? '', /^<cordon\.[0-9a-f]{40}@example\.org>/)
    assert.equal(ids[0], ids[1])
    assert.notEqual(ids[1], ids[2])
    assert.match(header(mails[0], 'auto-submitted'), /^auto-generated/)
    assert.match(
      header(mails[0], 'subject'),
      /^\[Cordon\] Waits for a person: block 203\.0\.113\.7\?/,
    )
  })

  test('is text and the same as simple HTML, with nothing to be fetched from elsewhere', () => {
    const mail = mailOf(
      [notice(1, { title: 'A <b>', text: 'one & "two"\nthree', answers: [approve] })],
      'x',
      'c@example.org',
      ['o@example.org'],
    )
    assert.equal(
      mail.text,
      [
        'A <b>',
        '',
        'one & "two"',
        'three',
        '',
        'Approve:',
        approve.url,
        '',
        '2026-03-01T03:00:00.000Z  decision.wait  by policy',
        '',
      ].join('\n'),
    )
    assert.match(mail.html, /<h3>A &lt;b&gt;<\/h3><p>one &amp; &quot;two&quot;<br>three<\/p>/)
    assert.match(mail.html, new RegExp(`<a href="${approve.url}">Approve</a>`))
    assert.doesNotMatch(mail.html, /<img|src=|<link|<script|url\(/i)
  })

  test('of a digest holds every notice, and its subject says how many', async () => {
    const { mails, port } = await mailServer()
    const notices = [1, 2, 3].map((number) => notice(number, { text: `number ${number}` }))
    await mailbox(port).publish(notices, never)
    assert.equal(mails.length, 1)
    assert.match(header(mails[0], 'subject').replace(/\r?\n\s+/g, ' '), /\(and 2 more\)/)
    for (const { text } of notices) assert.ok(mails[0]?.text.includes(text))
  })

  test('cannot be given a header by what an attacker chose', async () => {
    const { mails, port } = await mailServer()
    const title = 'x\r\nBcc: victim@example.org\r\n\r\nbody'
    await mailbox(port).publish([notice(1, { title })], never)
    assert.doesNotMatch(mails[0]?.text.split('\r\n\r\n')[0] ?? '', /^bcc:/im)
    assert.deepEqual(mails[0]?.to, ['oncall@example.org'])
  })
})

describe('a mail server that', () => {
  test('refuses the password is tried again: it is not about the notice', async () => {
    const { port } = await mailServer()
    const problem = await problemOf(
      mailbox(port, { password: 'wrong' }).publish([notice(1)], never),
    )
    assert.equal(problem.code, 'unauthenticated')
  })

  test('offers no STARTTLS gets neither password nor mail', async () => {
    const asked: string[] = []
    const { mails, port } = await mailServer({
      hideSTARTTLS: true,
      allowInsecureAuth: true,
      disabledCommands: ['STARTTLS'],
      onAuth: (_, __, done) => {
        asked.push('auth')
        done(null, { user: 'anna' })
      },
    })
    await problemOf(mailbox(port).publish([notice(1)], never))
    assert.deepEqual([asked, mails], [[], []])
  })

  test('does not prove who it is gets neither password nor mail, and is tried again', async () => {
    const { mails, port } = await mailServer()
    const problem = await problemOf(mailbox(port, { ca: undefined }).publish([notice(1)], never))
    assert.equal(problem.code, 'untrusted_service')
    assert.deepEqual(mails, [])
  })

  for (const [code, expected] of [
    [451, 'service_unreachable'],
    [452, 'service_unreachable'],
    [550, 'invalid_input'],
    [552, 'invalid_input'],
  ] as const)
    test(`answers the message with ${code} means ${expected}`, async () => {
      const { port } = await mailServer({
        onData: (stream, _, done) => {
          stream.resume()
          stream.on('end', () => done(new Refusal(code, 'not now')))
        },
      })
      const problem = await problemOf(mailbox(port).publish([notice(1)], never))
      assert.equal(problem.code, expected)
      assert.match(problem.message, /not now/)
    })

  test('refuses the sender for good is not tried again', async () => {
    const { port } = await mailServer({
      onMailFrom: (_, __, done) => done(new Refusal(550, 'not from you')),
    })
    const problem = await problemOf(mailbox(port).publish([notice(1)], never))
    assert.equal(problem.code, 'invalid_input')
  })

  test('refuses one recipient for good delivers to the others, and names the one', async () => {
    const { mails, port } = await mailServer({
      onRcptTo: ({ address }, _, done) =>
        address === 'gone@example.org' ? done(new Refusal(550, 'no such user')) : done(),
    })
    const to = ['gone@example.org', 'oncall@example.org']
    const problem = await problemOf(mailbox(port, { to }).publish([notice(1)], never))
    assert.deepEqual(
      mails.map((mail) => mail.to),
      [['oncall@example.org']],
    )
    assert.equal(problem.code, 'invalid_input')
    assert.match(problem.message, /^1 of 2 recipients are refused: gone@example\.org/)
  })

  test('has one mailbox full for a time gets the next try for that one only', async () => {
    let full = true
    const { mails, port } = await mailServer({
      onRcptTo: ({ address }, _, done) =>
        full && address === 'full@example.org' ? done(new Refusal(452, 'mailbox full')) : done(),
    })
    const publisher = mailbox(port, { to: ['full@example.org', 'oncall@example.org'] })
    const problem = await problemOf(publisher.publish([notice(1)], never))
    assert.equal(problem.code, 'service_unreachable')
    full = false
    await publisher.publish([notice(1)], never)
    assert.deepEqual(
      mails.map((mail) => mail.to),
      [['oncall@example.org'], ['full@example.org']],
    )
  })

  test('refuses every recipient for a time is tried again', async () => {
    const { port } = await mailServer({
      onRcptTo: (_, __, done) => done(new Refusal(451, 'greylisted')),
    })
    const problem = await problemOf(mailbox(port).publish([notice(1)], never))
    assert.equal(problem.code, 'service_unreachable')
  })

  test('drops the connection in the middle of the message is tried again', async () => {
    const sockets: Socket[] = []
    let reached = false
    const { port } = await mailServer({
      onData: (stream) => {
        stream.once('data', () => {
          reached = true
          for (const socket of sockets) socket.destroy()
        })
      },
    })
    const between = createServer((near) => {
      const far = createConnection(port, '127.0.0.1')
      sockets.push(near, far)
      near
        .on('error', () => {})
        .pipe(far.on('error', () => {}))
        .pipe(near)
    })
    const through = await listenOn(between)
    const problem = await problemOf(mailbox(through).publish([notice(1)], never))
    assert.equal(reached, true)
    assert.equal(problem.code, 'service_unreachable')
  })

  test('never says a word is left after its time', async () => {
    const silent = createServer(() => {})
    const port = await listenOn(silent)
    const problem = await problemOf(mailbox(port, { timeout: '50ms' }).publish([notice(1)], never))
    assert.equal(problem.code, 'service_unreachable')
  })

  test('is not there is tried again', async () => {
    const gone = createServer(() => {})
    const port = await listenOn(gone)
    await closing.pop()?.()
    const problem = await problemOf(mailbox(port).publish([notice(1)], never))
    assert.equal(problem.code, 'service_unreachable')
  })

  test('is in use when the service stops is let go of', async () => {
    const silent = createServer(() => {})
    const port = await listenOn(silent)
    const stop = new AbortController()
    const work = problemOf(mailbox(port).publish([notice(1)], stop.signal))
    stop.abort()
    await work
  })
})

describe('the settings of mail', () => {
  const whole = { host: 'mail.example.org', from: 'c@example.org', to: ['o@example.org'] }
  const open = (given: Record<string, unknown>) =>
    connector.publisher?.(connector.settings.parse(given))

  test('need a server, a sender and somebody to be told', () => {
    open(whole)
    for (const key of ['host', 'from', 'to'])
      assert.throws(() => open({ ...whole, [key]: undefined }), { code: 'setting_invalid' })
  })

  test('allow mail in the clear on loopback only', () => {
    open({ ...whole, host: '127.0.0.1', security: 'none' })
    assert.throws(() => open({ ...whole, security: 'none' }), { code: 'setting_invalid' })
  })

  test('take no password without a user, nor the reverse', () => {
    assert.throws(() => open({ ...whole, user: 'anna' }), { code: 'setting_invalid' })
    assert.throws(() => open({ ...whole, password: 'right' }), { code: 'setting_invalid' })
  })

  test('take nothing for an address that could be more than one, or a command', () => {
    for (const to of ['a@b.org\r\nRCPT TO:<x@y.org>', 'a@b.org;c@d.org', '<a@b.org>', 'a'])
      assert.equal(connector.settings.safeParse({ ...whole, to: [to] }).success, false, to)
  })
})

async function listenOn(server: ReturnType<typeof createServer>): Promise<number> {
  const open = new Set<Socket>()
  server.on('connection', (socket) => open.add(socket))
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  closing.push(
    () =>
      new Promise((done) => {
        for (const socket of open) socket.destroy()
        server.close(() => done())
      }),
  )
  const address = server.address()
  return typeof address === 'object' && address ? address.port : 0
}
