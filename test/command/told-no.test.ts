/** Transcripts of orders that a node does not carry out, or that could be understood in two ways: nobody goes to bed over them. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { openService, root } from './terminal.ts'

const reason = '--reason "three incidents"'
let open: Awaited<ReturnType<typeof openService>>
let running: ChildProcess

/** A node in dry run: what no node can do it refuses like any other. */
before(async () => {
  open = await openService()
  const environment = { CORDON_AGENT_STATE_DIR: join(open.folder, 'node') }
  const { out } = await open.type('node enrol')
  const [token = ''] = /cordon_enrol_\S+/.exec(out) ?? []
  const enrolled = await open.type(`agent enrol ${token} --name web-01`, { environment })
  assert.equal(enrolled.code, 0, enrolled.err)
  running = spawn(process.execPath, [fileURLToPath(new URL('cordon.ts', root)), 'agent', 'run'], {
    env: { PATH: process.env.PATH, ...environment },
    stdio: 'ignore',
  })
  const connected = async () =>
    /\(connected\)/.test((await open.type('agent status', { environment })).out)
  for (const late = AbortSignal.timeout(60_000); !(await connected()); await pause(50))
    assert.ok(!late.aborted, 'the node does not connect')
  // A command waits two seconds for the node; the first order of all is the slow one.
  await open.type(`block 203.0.113.250 --for 1h ${reason}`)
})
after(async () => {
  const ended = once(running, 'exit')
  running.kill()
  await ended
  await open.close()
})

describe('an order that a node refuses', () => {
  const refused = 'limit 203.0.113.1 --direction forward --interface eth0 --rate 5/second --for 1h'

  test('is told with who refused it and why, and is no success', async () => {
    const { code, out, err } = await open.type(`${refused} ${reason}`)
    assert.match(out, /in the kernel of 0 of 1 nodes, 1 refused or failed\n$/)
    assert.match(err, /^note: web-01 refused it: .*what passes by one interface twice/m)
    assert.equal(code, 3)
  })

  test('is told so again when it is given a later end', async () => {
    const [, id = ''] =
      /(d-\w{16})/.exec((await open.type('decision list --target 203.0.113.1')).out) ?? []
    const { code, err } = await open.type(`decision extend ${id} --for 3h ${reason}`)
    assert.match(err, /^note: web-01 refused it: /m)
    assert.equal(code, 3)
  })

  test('says so below its own line to who asks why, and not below those of others', async () => {
    await open.type(`block 203.0.113.1 --for 1h ${reason}`)
    const { out } = await open.type('why 203.0.113.1')
    const paragraphs = out.split('\n\n')
    const of = (line: RegExp) => paragraphs.find((text) => line.test(text)) ?? ''
    assert.match(of(/^d-\w{16} {2}limit /), /\n {2}web-01 refused it: .*counted twice/)
    assert.match(of(/^d-\w{16} {2}203\.0\.113\.1 until/), /\n {2}\S+: three incidents\n?$/)
  })

  test('that a node takes is told by nothing but its outcome', async () => {
    const { code, err } = await open.type(`block 203.0.113.2 --for 1h ${reason}`)
    assert.deepEqual([code, err], [0, ''])
  })
})

test('an interface that a node does not have is told with that node, and one that it has is not', async () => {
  const typed = (name: string) =>
    open.type(`block 203.0.113.10 --interface ${name} --for 1h ${reason}`)
  for (const name of ['none0', 'none*']) {
    const { code, err } = await typed(name)
    assert.ok(
      err.includes(`: this node has no interface ${name} now, so it does nothing yet\n`),
      err,
    )
    assert.match(err, /^note: web-01 planned it: /)
    assert.equal(code, 0)
  }
  for (const name of ['lo', 'l*']) assert.equal((await typed(name)).err, '')
})

for (const [given, error] of [
  [
    '--interface abcdefghijklmnop',
    /^error: "abcdefghijklmnop" is no name of an interface\nhint: .*eth0/,
  ],
  ['--interface *', /^error: "\*" is no name of an interface\nhint: .*ppp\*/],
  ['--protocol tpc', /^error: "tpc" is no protocol\nhint: did you mean tcp\?/],
  ['--protocol TCP', /^error: "TCP" is no protocol\nhint: did you mean tcp\?/],
  ['--for ever', /^error: "ever" is no length of time\nhint: .*4h/],
  ['--audience web1', /^error: "web1" is neither all nor group\/<name> nor .*\nhint: .*node list/],
  ['--protocol sausage', /^error: "sausage" is no protocol\nhint: write one of tcp, udp/],
] as const)
  test(`"${given}" is asked wrongly, with how to write it`, async () => {
    const { code, err } = await open.type(`block 203.0.113.11 ${given} ${reason}`)
    assert.equal(code, 2)
    assert.match(err, error)
  })

test('an option that is given twice is asked wrongly, so that neither half is lost in silence', async () => {
  const { code, err } = await open.type(
    `block 203.0.113.3 --direction in --direction out --for 1h ${reason}`,
  )
  assert.equal(code, 2)
  assert.match(err, /^error: block: --direction is given twice\nhint: /)
  const listed = await open.type('decision list --target 203.0.113.3')
  assert.equal(listed.out, 'no decisions\n')
  const twice = await open.type(
    `block 203.0.113.4 --protocol tcp --port 22 --port 80 --for 1h ${reason}`,
  )
  assert.equal(twice.code, 0, twice.err)
})

for (const [given, said, listed] of [
  [
    'block 203.0.113.5 --direction forward',
    /block 203\.0\.113\.5, only forwarded until/,
    'forwarded',
  ],
  ['block 203.0.113.6 --direction out', /block 203\.0\.113\.6, only outgoing until/, 'outgoing'],
  ['allow 203.0.113.7 --direction in', /allow 203\.0\.113\.7, only incoming until/, 'incoming'],
  [
    'block 203.0.113.8 --direction out --protocol tcp --port 25',
    /block 203\.0\.113\.8, only outgoing tcp port 25 until/,
    'outgoing tcp 25',
  ],
] as const)
  test(`"${given}" is said back and listed with the way that it is about`, async () => {
    const { code, out, err } = await open.type(`${given} --for 1h ${reason}`)
    assert.equal(code, 0, err)
    assert.match(out, said)
    const { out: list } = await open.type('blocked list')
    const [, address] = given.split(' ')
    const row = list.split('\n').find((line) => line.startsWith(`${address} `)) ?? ''
    assert.match(row, new RegExp(` ${listed} +in `))
  })

test('clearing while the agent runs is refused once, and not twice in one line', async () => {
  const environment = { CORDON_AGENT_STATE_DIR: join(open.folder, 'node') }
  const { code, err } = await open.type('agent clear --yes', { environment })
  assert.equal(code, 1)
  assert.match(err, /^error: another agent \(process \d+\) works with [^ ]+\nhint: stop it first/)
})

test('the list of what is blocked has the words of who ordered it', async () => {
  const { out } = await open.type('blocked list')
  assert.match(out, /^203\.0\.113\.2 .* by token\/first-admin +three incidents +d-\w{16}$/m)
})
