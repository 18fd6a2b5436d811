/** The agent's commands as a person at the machine sees them. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { makeIdentity } from '../../agent/identity.ts'
import { commands } from '../../agent/main.ts'
import { writeMembership } from '../../agent/membership.ts'
import { serveStatus } from '../../agent/status.ts'
import { issuer, serviceKey, today } from './signer.ts'

const folder = mkdtempSync(join(tmpdir(), 'cordon-commands-'))
after(() => rmSync(folder, { recursive: true }))

test('status without an agent fails with what to do', async () => {
  const { code, out, err } = await call('status')
  assert.deepEqual([code, out], [1, ''])
  assert.match(err, /^error: no agent answers at .*\nhint: start it with "cordon agent run"/)
})

test('a node that is not enrolled says so, and how to enrol it', async () => {
  const { code, err } = await call('run')
  assert.equal(code, 1)
  assert.match(err, /^error: this node is not enrolled .*\nhint: .*cordon agent enrol/)
})

test('a wrong option or a missing token is asked wrongly', async () => {
  assert.equal((await call('status', ['--jsn'])).code, 2)
  const { code, err } = await call('enrol')
  assert.equal(code, 2)
  assert.match(err, /hint: cordon agent enrol <token>/)
})

test('a mistyped setting fails with what was expected', async () => {
  const { code, err } = await call('status', [], { CORDON_AGENT_BACKEND: 'iptables' })
  assert.equal(code, 1)
  assert.match(err, /^error: setting backend: .*"ipset".*\nhint: set CORDON_AGENT_BACKEND/)
  assert.doesNotMatch(err, /\{/, 'in words')
  const typo = await call('status', [], { CORDON_AGENT_ADMIN_NETWORK: '192.0.2.0/24' })
  assert.match(typo.err, /hint: did you mean CORDON_AGENT_ADMIN_NETWORKS\?/)
})

test('the section agent of the shared settings file is read, and the environment stands over it', async () => {
  const path = join(folder, 'cordon.yaml')
  const state = join(folder, 'elsewhere')
  const given = { CORDON_SETTINGS: path, CORDON_AGENT_STATE_DIR: undefined }
  writeFileSync(path, `service:\n  listen: 127.0.0.1:1\nagent:\n  state_dir: ${state}\n`)
  assert.match((await call('status', [], given)).err, new RegExp(`no agent answers at ${state}/`))
  const over = { ...given, CORDON_AGENT_STATE_DIR: folder }
  assert.match((await call('status', [], over)).err, new RegExp(`no agent answers at ${folder}/s`))
  for (const [text, words] of [
    ['agent:\n  state_dri: x\n', /hint: did you mean state_dir\?/],
    ['agnet: {}\n', /has a section agnet/],
    ['agent: [1]\n', /the section agent holds no keys/],
    ['agent: {', /cannot be read as YAML/],
  ] as const) {
    writeFileSync(path, text)
    assert.match((await call('status', [], given)).err, words)
  }
})

test('check tells what works, what does not, and what is never blocked', async () => {
  makeIdentity(folder)
  const url = 'http://127.0.0.1:1'
  writeMembership(folder, {
    node: 'web-01',
    groups: [],
    url,
    issuer,
    keys: [serviceKey.public],
    announced: 0,
    addresses: ['192.0.2.200'],
  })
  const { code, out } = await call('check')
  assert.equal(code, 3)
  assert.match(out, /^no {2}enforce: enforce is false/m)
  assert.match(out, /^yes enrolled: as web-01 with http:\/\/127\.0\.0\.1:1$/m)
  assert.match(out, /^no {2}trusted service: cannot reach the service/m)
  assert.match(out, /never blocked: 127\.0\.0\.0\/8 \(loopback\)/)
  assert.match(out, /never blocked: 192\.0\.2\.200 \(address of the Cordon service\)/)
  const { findings, good } = JSON.parse((await call('check', ['--json'])).out)
  assert.equal(good, false)
  assert.deepEqual(
    findings.map((one: { what: string }) => one.what),
    ['enforce', 'enrolled', 'trusted service', 'clock', 'guard'],
  )
})

test('check makes no key: one that is missing is told, with what to do', async () => {
  rmSync(join(folder, 'node.key'))
  const { code, out } = await call('check')
  assert.equal(code, 3)
  assert.match(
    out,
    /^no {2}trusted service: the key of this node is missing.*\n {4}hint: .*enrol the node again$/m,
  )
  assert.equal(existsSync(join(folder, 'node.key')), false)
})

test('status is yes only for a node that enforces, is connected, and has no problem', async () => {
  const status = {
    node: 'web-01',
    service: 'https://cordon.example',
    enforcing: true,
    backend: 'netlink',
    connected: true,
    now: today,
    started: today,
    clock_offset_ms: 3,
    clock_measured: true,
    cursor: '',
    claims: 2,
    elements: 3,
    scoped: 1,
    hits: { decisions: 0, packets: 0 },
    receipts_waiting: 0,
    receipts_given_up: 0,
    problems: [] as { part: string; code: string; message: string }[],
    protected: [],
  }
  const close = await serveStatus(folder, () => status)
  const well = await call('status')
  assert.equal(well.code, 0)
  assert.match(well.out, /^enforcing {2}yes, by netlink$/m)
  assert.match(well.out, /^blocks {5}2 decisions, 3 elements in the kernel$/m)
  assert.match(well.out, /^scoped {5}1 of them by direction, interface, protocol, port or rate$/m)
  assert.match(well.out, /^hits {7}nothing was stopped yet by what is in force$/m)
  status.backend = 'dry-run'
  const dry = await call('status')
  assert.match(dry.out, /^blocks {5}2 decisions, 3 elements planned, none in the kernel$/m)
  status.backend = 'netlink'
  status.hits = { decisions: 2, packets: 40 }
  status.problems.push({ part: 'disk', code: 'internal', message: 'the disk is \u001b[31mfull' })
  const ill = await call('status')
  assert.equal(ill.code, 3)
  assert.match(
    ill.out,
    /^hits {7}40 packets stopped for 2 decisions in force, since the agent started$/m,
  )
  assert.match(ill.out, /^problem {4}disk: the disk is \\u\{1b\}\[31mfull$/m)
  assert.equal(JSON.parse((await call('status', ['--json'])).out).claims, 2)
  close()
})

async function call(
  name: keyof typeof commands,
  args: string[] = [],
  environment: Record<string, string | undefined> = {},
) {
  let [out, err] = ['', '']
  const code = await commands[name](args, {
    out: (text) => {
      out += text
    },
    err: (text) => {
      err += text
    },
    environment: { CORDON_AGENT_STATE_DIR: folder, ...environment },
  })
  return { code, out, err }
}
