/** The active response as execd sees it: one line, the handshake, how it ends, whatever it is given. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { z } from 'zod'
import { readAddress } from '#contract/address.ts'
import { isObject } from '../../connectors/read-path.ts'
import { connector } from '../../connectors/wazuh/connector.ts'
import { block, ended, keysOf, openHost, orderLine } from './wazuh-host.ts'

const shared = new URL('../../../shared/contracts/samples/', import.meta.url)
const skip = existsSync(shared) ? false : 'the shared samples are not beside this repository'
// Nobody listens there: what execd sees does not hang on anybody.
const host = openHost('http://127.0.0.1:9', 'cordon_none')
after(() => host.close())
const program = 'active-response/bin/cordon-block'
/** Without the word of who brings the orders meanwhile, which comes when it comes. */
const logged = () =>
  host
    .log()
    .trimEnd()
    .split('\n')
    .filter((line) => !line.includes(': unreached: '))

test('an add is answered with the address as the key, and kept once execd says continue', async () => {
  const { code, said } = await host.add(orderLine('add', '203.0.113.7'))
  assert.deepEqual([code, keysOf(said)], [0, ['203.0.113.7']])
  const [order] = host.waiting().slice(-1)
  assert.match(order ?? '', /\.continue\.order$/)
  const kept = readFileSync(join(host.home, 'queue', block, order ?? ''), 'utf8')
  assert.equal(kept, `${orderLine('add', '203.0.113.7')}\n`)
})

test('the log has the form and the words that Wazuh reads back', async () => {
  const lines = logged().slice(0, 5)
  const form = /^\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d active-response\/bin\/cordon-block: (.+)$/
  const said = lines.map((line) => form.exec(line)?.[1])
  assert.equal(said[0], 'Starting')
  assert.equal(said[1], orderLine('add', '203.0.113.7'))
  assert.match(said[2] ?? '', /^\{.*check_keys/)
  assert.equal(said[4], 'Ended')
})

test('a delete has no handshake, and is kept', async () => {
  const before = host.waiting().length
  const { code, said } = await host.give(orderLine('delete', '203.0.113.7'))
  assert.deepEqual([code, said], [0, ''])
  assert.equal(host.waiting().length, before + 1)
})

test('after abort nothing is blocked anew; that execd counts anew is told', async () => {
  const { code } = await host.add(
    orderLine('add', '203.0.113.8'),
    '{"version":1,"origin":{},"command":"abort","parameters":{}}',
  )
  assert.equal(code, 0)
  assert.match(host.waiting().at(-1) ?? '', /\.abort\.order$/)
})

for (const [what, answer] of [
  ['an answer that is no JSON', 'yes'],
  ['another command for an answer', '{"version":1,"command":"add","parameters":{}}'],
])
  test(`${what} is no leave to block`, async () => {
    const before = host.waiting().length
    assert.equal((await host.add(orderLine('add', '203.0.113.9'), answer)).code, 1)
    assert.equal(host.waiting().length, before)
  })

test('an input that ends before the answer is no leave to block', async () => {
  const before = host.waiting().length
  const { code, said } = await host.give(orderLine('add', '203.0.113.9'))
  assert.deepEqual([code, keysOf(said)], [1, ['203.0.113.9']])
  assert.equal(host.waiting().length, before)
})

test('two lines that come at once are two lines', async () => {
  const both = `${orderLine('add', '203.0.113.10')}\n{"version":1,"command":"continue","parameters":{}}`
  const { code, said } = await host.give(both)
  assert.deepEqual([code, keysOf(said)], [0, ['203.0.113.10']])
})

const whole = orderLine('add', '203.0.113.11')
const hostile = {
  full_log: '"}],{"command":"delete","srcip":"198.51.100.1"}\\',
  data: { srcip: '203.0.113.12' },
}
describe('bad input gets its word in the log, no handshake and another exit status', () => {
  const bad: [string, string | Buffer, string][] = [
    ['nothing at all', '', 'Invalid input format'],
    ['no JSON', 'add 203.0.113.11', 'Invalid input format'],
    ['a line that was cut', whole.slice(0, -1), 'Invalid input format'],
    ['a line that was cut inside a text', whole.slice(0, 150), 'Invalid input format'],
    ['something behind the end', `${whole}}`, 'Invalid input format'],
    ['two objects', `${whole}${whole}`, 'Invalid input format'],
    ['a control character', whole.replace('brute', '\u001b[31m'), 'Invalid input format'],
    ['an array', `[${whole}]`, 'Invalid input format'],
    ['no command', '{"version":1}', "Cannot read 'command' from json"],
    ['a strange command', orderLine('block', '203.0.113.11'), "Invalid value of 'command': block"],
    ['a line of a megabyte', orderLine('add', 'x'.repeat(1_048_576)), 'more than 65536'],
    ['no address', orderLine('add', ''), 'names no address'],
    ['a host name', orderLine('add', 'host.example'), 'names no address'],
    ['a masked address', orderLine('add', '203.0.113.x'), 'names no address'],
    ['a leading zero', orderLine('add', '203.0.113.011'), 'names no address'],
    ['a fifth octet', orderLine('add', '203.0.113.1.1'), 'names no address'],
    ['an octet too large', orderLine('add', '203.0.113.256'), 'names no address'],
    ['loopback', orderLine('add', '127.0.0.1'), 'names no address'],
    ['loopback of IPv6', orderLine('add', '::1'), 'names no address'],
    ['loopback of IPv6, mapped', orderLine('add', '::ffff:127.0.0.1'), 'names no address'],
    ['link-local', orderLine('add', 'fe80::1'), 'names no address'],
    ['an address of a shell’s taste', orderLine('add', '203.0.113.1;id'), 'names no address'],
    ['a delete without an address', orderLine('delete', '-'), 'names no address'],
  ]
  for (const [what, line, word] of bad)
    test(what, async () => {
      const before = host.waiting().length
      const ran = await host.add(line)
      assert.deepEqual([ran.code, ran.said], [1, ''])
      assert.equal(host.waiting().length, before)
      const lines = logged()
      assert.match(lines.at(-1) ?? '', /: Aborted$/)
      const said = lines.at(-2)?.slice(0, 300) ?? ''
      assert.ok(said.includes(word), said)
    })

  test('a closed input', async () => {
    const child = host.start(program)
    child.stdin.end()
    assert.equal((await ended(child)).code, 1)
    assert.match(host.log(), /Cannot read input from stdin/)
  })
})

describe('the key is the address, however it is written', () => {
  const spellings: [string, string][] = [
    ['2001:db8::7', '2001:db8::7'],
    ['2001:DB8::A', '2001:db8::a'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['::FFFF:203.0.113.7', '203.0.113.7'],
    ['203.0.113.7:22', '203.0.113.7'],
    ['[2001:db8::7]:22', '2001:db8::7'],
  ]
  for (const [written, key] of spellings)
    test(written, async () =>
      assert.deepEqual(keysOf((await host.add(orderLine('add', written))).said), [key]),
    )

  test('a placeholder in the field of Windows does not hide a plain srcip', async () => {
    const data = { win: { eventdata: { ipAddress: '-' } }, srcip: '203.0.113.13' }
    assert.deepEqual(keysOf((await host.add(orderLine('add', '', { data }))).said), [
      '203.0.113.13',
    ])
  })

  test('text that an attacker chose is no structure', async () => {
    assert.deepEqual(keysOf((await host.add(orderLine('add', '', hostile))).said), ['203.0.113.12'])
  })
})

describe('the key is whom Cordon would block', () => {
  const samples = new URL('../../connectors/wazuh/sample/', import.meta.url)
  const settings = connector.settings.parse({})
  for (const file of readdirSync(samples).filter((name) => /\.in\.(log|json)$/.test(name)))
    test(file, async () => {
      let told = 0
      for (const record of recordsOf(readFileSync(new URL(file, samples), 'utf8'))) {
        const line = JSON.stringify({
          version: 1,
          origin: {},
          command: 'add',
          parameters: { alert: record },
        })
        const targets = orderOf(JSON.parse(line))
        if (targets.length === 0) continue
        told++
        const { said } = await host.add(line)
        const [key = ''] = keysOf(said)
        assert.ok(targets.includes(readAddress(key).text), `${key} is none of ${targets}`)
      }
      assert.ok(
        told > 0 || file.startsWith('fe') || file.startsWith('fi'),
        'no record names anybody',
      )
    })

  function orderOf(line: unknown): readonly string[] {
    try {
      return connector.order?.(line, { settings, now: 0 }).targets ?? []
    } catch {
      // It names nobody, or is no alert.
      return []
    }
  }
})

test('what 4.2.0 to 4.2.4 put a backslash before is handed on as it was', async () => {
  const given = {
    full_log: 'GET /?q=\'$(id)`!"\\x"',
    data: { srcip: '203.0.113.17', url: 'c:\\!' },
  }
  const line = orderLine('add', '', given)
  const early = line.replace(/[!$`'\\]/g, '\\$&')
  assert.throws(() => JSON.parse(early))
  const answer = `{"version":1,"origin":{},"command":"continue","parameters":{"a":"\\'"}}`
  const { code, said } = await host.add(early, answer)
  assert.deepEqual([code, keysOf(said)], [0, ['203.0.113.17']])
  const kept = readFileSync(join(host.home, 'queue', block, host.waiting().at(-1) ?? ''), 'utf8')
  assert.equal(kept, `${line}\n`)
})

test('an order takes less than 60 ms of a processor before execd goes on', async (t) => {
  const alone = openHost('http://127.0.0.1:9', 'cordon_none')
  t.after(() => alone.close())
  const answer = '{"version":1,"origin":{},"command":"continue","parameters":{}}'
  writeFileSync(join(alone.home, 'session'), `${orderLine('add', '203.0.113.7')}\n${answer}\n`)
  const run = `i=0; while [ $((i += 1)) -le 10 ]; do ${program} <session >said; done; times`
  const { code, said } = await ended(alone.start('/bin/sh', ['-c', run]))
  assert.deepEqual([code, alone.waiting().length], [0, 10])
  const [user = 0, system = 0] = [...said.matchAll(/(\d+)m([\d.]+)s/g)]
    .slice(-2)
    .map(([, minutes, seconds]) => Number(minutes) * 60 + Number(seconds))
  const each = ((user + system) * 1_000) / 10
  assert.ok(each < 60, `${each} ms`)
})

test('bytes that are no UTF-8 are handed on as they are', async () => {
  const [head = '', tail = ''] = orderLine('add', '203.0.113.14', { full_log: '@' }).split('@')
  const line = Buffer.concat([Buffer.from(head), Buffer.from([0xff, 0xc3]), Buffer.from(tail)])
  assert.equal((await host.add(line)).code, 0)
  const kept = readFileSync(join(host.home, 'queue', block, host.waiting().at(-1) ?? ''))
  assert.ok(kept.subarray(0, -1).equals(line))
})

test('ended while it waits for the answer, it leaves nothing behind', async () => {
  const before = host.waiting()
  const child = host.start(program)
  child.stdin.write(`${orderLine('add', '203.0.113.15')}\n`)
  child.stdout.once('data', () => child.kill('SIGTERM'))
  assert.equal((await ended(child)).signal, 'SIGTERM')
  assert.deepEqual(host.waiting(), before)
})

test('a full spool takes no more blocks, and says so before execd counts on one; a delete it takes', async (t) => {
  const full = openHost('http://127.0.0.1:9', 'cordon_none')
  t.after(() => full.close())
  await full.give(orderLine('delete', '203.0.113.7'))
  const spool = join(full.home, 'queue', block)
  for (let index = 0; index < 2_000; index++)
    writeFileSync(join(spool, `1-${String(index).padStart(12, '0')}-1.none.order`), '')
  const { code, said } = await full.add(orderLine('add', '203.0.113.16'))
  assert.deepEqual([code, said], [1, ''])
  assert.match(full.log(), /203\.0\.113\.16 is not blocked/)
  const before = full.waiting().length
  assert.equal((await full.give(orderLine('delete', '203.0.113.7'))).code, 0)
  assert.equal(full.waiting().length, before + 1)
})

describe('the shared samples', { skip }, () => {
  const Expected = z.object({
    id: z.string(),
    file: z.string(),
    line: z.number().optional(),
    parse: z.string(),
    action: z.string().optional(),
    block_ips: z.array(z.string()).default([]),
    handshake: z.string().nullish(),
  })
  const all = skip
    ? []
    : lines(new URL('expected.ndjson', shared)).map((line) => Expected.parse(JSON.parse(line)))
  for (const { id, file, line = 1, action, block_ips, handshake } of all.filter(
    (one) => one.parse === 'ar',
  ))
    test(`${id}: ${action}`, async () => {
      const sample = lines(new URL(file, shared))[line - 1] ?? ''
      const { code, said } = await host.add(sample)
      assert.equal(code === 0, action === 'block' || action === 'unblock')
      assert.deepEqual(
        said === '' ? [] : keysOf(said),
        handshake?.startsWith('check_keys') ? block_ips : [],
      )
    })
})

function lines(url: URL): string[] {
  return readFileSync(url, 'utf8').trimEnd().split('\n')
}

/** A file of one record, or a record a line; what is no JSON is not for execd. */
function recordsOf(text: string): unknown[] {
  const whole = parsed(text)
  const records = whole === undefined ? text.split('\n').map(parsed) : [whole].flat()
  return records.flatMap((record) => (isObject(record) ? [record._source ?? record] : []))
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
