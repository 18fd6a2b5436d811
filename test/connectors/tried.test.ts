/** What a connector's own test finds, tried against real files and servers: what holds, what does not, and that nothing is changed. */
import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { SMTPServer } from 'smtp-server'
import type { Finding } from '#contract/connector.ts'
import { reach } from '../../connectors/reach.ts'
import { load, names } from './samples.ts'
import { ownCertificate } from './told.ts'

const never = new AbortController().signal
const secret = 'T0SECRET'
let folder: string
let certificate: Awaited<ReturnType<typeof ownCertificate>>
const closing: (() => unknown)[] = []
before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'cordon-tried-'))
  certificate = await ownCertificate()
})
after(() => {
  for (const close of closing) close()
  rmSync(folder, { recursive: true, force: true })
})

async function trial(name: string, given: object, signal = never): Promise<Finding[]> {
  const { settings, test: tries } = await load(name)
  assert.ok(tries, `${name} cannot be tried`)
  return tries(settings.parse(given), signal)
}

async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await new Promise((done) => server.once('listening', done))
  closing.push(() => server.close())
  return (server.address() as AddressInfo).port
}

/** A port of loopback where nobody listens. */
async function closedPort(): Promise<number> {
  const server = createTcpServer()
  server.listen(0, '127.0.0.1')
  await new Promise((done) => server.once('listening', done))
  const { port } = server.address() as AddressInfo
  await new Promise((done) => server.close(done))
  return port
}

/** `ok address`, `failed host: service_unreachable`. */
const told = (findings: readonly Finding[]) =>
  findings.map((finding) =>
    'problem' in finding
      ? `failed ${finding.what}: ${finding.problem.code}`
      : `ok ${finding.what}: ${finding.found}`,
  )

for (const name of names)
  test(`the test of ${name} without settings throws nothing, and says what to do about what is missing`, async () => {
    const { settings, test: tries } = await load(name)
    for (const finding of (await tries?.(settings.parse({}), never)) ?? [])
      if ('problem' in finding) assert.ok(finding.problem.remedy, finding.what)
  })

describe('a file that is followed', () => {
  const eve = JSON.stringify({
    timestamp: '2026-03-01T03:00:00.000000+0000',
    event_type: 'alert',
    src_ip: '203.0.113.7',
    dest_ip: '192.0.2.10',
    alert: { signature_id: 2001219, signature: 'ET SCAN SSH', severity: 2 },
  })
  const place = (name: string, text?: string) => {
    const dir = mkdtempSync(join(folder, 'log-'))
    if (text !== undefined) writeFileSync(join(dir, name), text)
    return { dir, path: join(dir, name) }
  }

  test('is found well with its size, its last line as it is understood, and its rotated files', async () => {
    const { dir, path } = place('eve.json', `${eve}\n{"half":`)
    writeFileSync(join(dir, 'eve.json.1'), `${eve}\n`)
    const [file, last, listed, ...rest] = told(await trial('suricata', { files: [path] }))
    assert.match(file ?? '', new RegExp(`^ok file ${path}: may be read; ${eve.length + 9} bytes`))
    assert.match(
      last ?? '',
      /^ok last line of eve.json: understood: rule 2001219, .*203\.0\.113\.7$/,
    )
    assert.match(listed ?? '', /^ok folder .*: may be listed; holds 1 rotated file of this name$/)
    assert.deepEqual(rest, [])
  })

  test('with a last line of another program is named, by what the connector says of it', async () => {
    const { path } = place('alerts.json', 'Mar  1 03:00:00 web-01 sshd[1]: hello\n')
    const [, last] = told(await trial('wazuh', { files: [path] }))
    assert.equal(last, 'failed last line of alerts.json: malformed_json')
  })

  test('that is empty so far is well', async () => {
    const { path } = place('eve.json', '')
    const [, last] = told(await trial('suricata', { files: [path] }))
    assert.equal(last, 'ok last line of eve.json: the file holds no whole line so far')
  })

  test('that is not there is told, and the others are tried as well', async () => {
    const gone = place('eve.json')
    const there = place('fast.log', '')
    const findings = told(await trial('suricata', { files: [gone.path, there.path] }))
    assert.equal(findings[0], `failed file ${gone.path}: not_found`)
    assert.match(findings[1] ?? '', /^ok folder /)
    assert.match(findings[2] ?? '', new RegExp(`^ok file ${there.path}`))
  })

  test('that is a directory is no file', async () => {
    const { path } = place('eve.json')
    mkdirSync(path)
    assert.equal(
      told(await trial('suricata', { files: [path] }))[0],
      `failed file ${path}: not_found`,
    )
  })

  const root = process.getuid?.() === 0 && 'root may read everything'
  test('that may not be read says who has to let whom', { skip: root }, async () => {
    const { path } = place('eve.json', '')
    chmodSync(path, 0)
    const [file] = await trial('suricata', { files: [path] })
    assert.ok(file && 'problem' in file)
    assert.equal(file.problem.code, 'no_privilege')
  })
})

describe('a web hook', () => {
  test('is reached without a message, and only its host is shown', async () => {
    let requests = 0
    const port = await listening(createTlsServer(certificate, () => requests++))
    const url = `https://127.0.0.1:${port}/services/${secret}`
    for (const name of ['slack', 'teams', 'mattermost']) {
      const findings = told(await trial(name, { url, ca: certificate.cert }))
      assert.equal(findings[0], `ok address: a web hook at 127.0.0.1:${port}`)
      assert.match(findings[1] ?? '', /^ok host: reached over TLSv1\.3, its certificate is good/)
      assert.ok(!findings.join().includes(secret))
    }
    assert.equal(requests, 0)
  })

  test('whose certificate nobody signed is not believed', async () => {
    const port = await listening(createTlsServer(certificate))
    const findings = await trial('slack', { url: `https://127.0.0.1:${port}/${secret}` })
    assert.equal(told(findings)[1], 'failed host: untrusted_service')
  })

  test('that speaks no TLS is told apart from one that nobody trusts', async () => {
    const port = await listening(createServer())
    const findings = await trial('slack', { url: `https://127.0.0.1:${port}/${secret}` })
    const [, host] = findings
    assert.ok(host && 'problem' in host)
    assert.match(host.problem.message, /does not speak TLS$/)
  })

  test('where nobody listens is told with the port', async () => {
    const port = await closedPort()
    const findings = await trial('teams', { url: `http://127.0.0.1:${port}/${secret}` })
    const [, host] = findings
    assert.ok(host && 'problem' in host)
    assert.equal(host.problem.message, `cannot reach 127.0.0.1:${port}: ECONNREFUSED`)
  })

  test('that would carry notices in the clear is not even reached', async () => {
    assert.deepEqual(told(await trial('slack', { url: 'http://hooks.example/x' })), [
      'failed address: setting_invalid',
    ])
  })

  test('that signs is told of a secret that is none, and its host is tried all the same', async () => {
    const port = await listening(createServer())
    const url = `http://127.0.0.1:${port}/${secret}`
    assert.deepEqual(told(await trial('webhook-out', { url, secret: 'whsec_c2hvcnQ=' })), [
      'failed secret: setting_invalid',
      `ok address: a web hook at 127.0.0.1:${port}`,
      'ok host: reached',
    ])
  })
})

test('a host that never finishes to greet is given up after the time', async () => {
  const port = await listening(createTcpServer(() => {}))
  await assert.rejects(reach({ host: '127.0.0.1', port, tls: true }, 50, never), {
    code: 'service_unreachable',
    message: `127.0.0.1:${port} did not answer in time`,
  })
})

describe('a mail server', () => {
  const settings = (port: number, more: object = {}) => ({
    ...{ host: '127.0.0.1', port, ca: certificate.cert, user: 'anna', password: 'right-one' },
    ...{ from: 'cordon@example.org', to: 'oncall@example.org', ...more },
  })
  async function mailServer(more: object = {}) {
    const mails: string[] = []
    const server = new SMTPServer({
      ...certificate,
      disableReverseLookup: true,
      closeTimeout: 100,
      onAuth: ({ username, password }, _, done) =>
        password === 'right-one' ? done(null, { user: username }) : done(new Error('no such user')),
      onMailFrom: ({ address }, _, done) => {
        mails.push(address)
        done()
      },
      ...more,
    })
    server.on('error', () => {})
    const listener = server.listen(0, '127.0.0.1')
    await new Promise((done) => listener.once('listening', done))
    closing.push(() => server.close(() => {}))
    return { mails, port: (listener.address() as AddressInfo).port }
  }

  test('that lets us in is well, and no mail is begun', async () => {
    const { mails, port } = await mailServer()
    assert.deepEqual(told(await trial('email', settings(port))), [
      'ok settings: mail from cordon@example.org to oncall@example.org',
      'ok mail server: reached',
      'ok login: greets and goes over to TLS, anna may log in; no mail was sent',
    ])
    assert.deepEqual(mails, [])
  })

  test('that refuses the password is told apart from one that is not there, and the password is never shown', async () => {
    const { port } = await mailServer()
    const findings = await trial('email', settings(port, { password: 'wrong-one' }))
    assert.equal(told(findings)[2], 'failed login: unauthenticated')
    assert.ok(!JSON.stringify(findings).includes('wrong-one'))
    const nobody = await trial('email', settings(await closedPort()))
    assert.equal(told(nobody)[1], 'failed mail server: service_unreachable')
  })

  test('that is not who it should be is not given the password', async () => {
    const { port } = await mailServer()
    const findings = await trial('email', settings(port, { ca: undefined }))
    assert.equal(told(findings)[2], 'failed login: untrusted_service')
  })

  test('that offers no login while a user is set is told', async () => {
    const { port } = await mailServer({ disabledCommands: ['AUTH'] })
    assert.match(told(await trial('email', settings(port)))[2] ?? '', /^failed login/)
  })

  test('that never greets is given up when the test has to end', async () => {
    const ending = new AbortController()
    let connections = 0
    const silent = createTcpServer((socket) => {
      closing.push(() => socket.destroy())
      // The first one only reaches it.
      if (++connections === 2) ending.abort()
    })
    const port = await listening(silent)
    const findings = await trial('email', settings(port, { timeout: '10m' }), ending.signal)
    assert.equal(told(findings).at(-1), 'failed login: service_unreachable')
  })
})
