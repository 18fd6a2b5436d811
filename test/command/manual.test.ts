/** Transcripts of block, allow and limit: what is typed about a part of the traffic, and what comes back. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { openService, root } from './terminal.ts'

let open: Awaited<ReturnType<typeof openService>>
before(async () => {
  open = await openService()
})
after(() => open.close())

const reason = '--reason "three incidents"'

describe('a block of a part of the traffic', () => {
  test('is said back with all that narrows it', async () => {
    const { code, out, err } = await open.type(
      `block 203.0.113.1 --for 4h --protocol tcp --port 22,8000-8100 --interface eth0 --reject ${reason}`,
    )
    assert.equal(code, 0, err)
    assert.match(
      out,
      /^d-\w{16} {2}block 203\.0\.113\.1 with an answer, only tcp ports 22, 8000-8100 at eth0 until /,
    )
  })

  test('is no reason to say that the address is blocked', async () => {
    const { code, out } = await open.type('why 203.0.113.1')
    assert.equal(code, 3)
    assert.match(
      out,
      /^203\.0\.113\.1 is not blocked as a whole, but some of its traffic is stopped\n/,
    )
  })

  test('is asked wrongly with what is no port, with how to write it', async () => {
    const { code, err } = await open.type(`block 203.0.113.2 --for 1h --port tcp/22 ${reason}`)
    assert.equal(code, 2)
    assert.match(err, /^error: "tcp\/22" is no port\nhint: write 22, .* --protocol tcp\n$/)
  })

  test('is refused for ports without a protocol, with those that have ports', async () => {
    const { code, err } = await open.type(`block 203.0.113.2 --for 1h --port 22 ${reason}`)
    assert.notEqual(code, 0)
    assert.match(err, /^error: ports without a protocol\nhint: name one that has ports: tcp, udp/)
  })
})

describe('a block of what one host sends through a router to another', () => {
  const forwarded =
    'block 198.51.100.7 --direction forward_from --interface eth0 --peer 192.0.2.10 --peer-interface eth1'

  test('is said back with both ends, as the list and the decision say it', async () => {
    const { code, out, err } = await open.type(`${forwarded} --for 4h ${reason}`)
    assert.equal(code, 0, err)
    const words = 'forwarded from it at eth0 to 192.0.2.10 at eth1'
    const [, id] = /^(d-\w{16}) /.exec(out) ?? []
    assert.ok(out.includes(`block 198.51.100.7, only ${words} until `), out)
    const list = (await open.type('blocked list')).out
    assert.match(list, new RegExp(`^198\\.51\\.100\\.7 +block +${words} +in `, 'm'))
    const shown = (await open.type(`decision show ${id}`)).out
    assert.ok(shown.includes(`orders     block 198.51.100.7, only ${words}\n`), shown)
    assert.match(shown, /^direction +forward_from$/m)
    const why = await open.type('why 198.51.100.7')
    assert.match(why.out, /^198\.51\.100\.7 is not blocked as a whole, but some of its traffic /)
    assert.ok(why.out.includes(words))
    const [json] = JSON.parse((await open.type('blocked list --json')).out)
    assert.deepEqual([json.peer, json.peer_interface], ['192.0.2.10', 'eth1'])
  })

  test('is what why says of who is at the other end', async () => {
    const { code, out } = await open.type('why 192.0.2.10')
    assert.equal(code, 3)
    assert.match(
      out,
      /^192\.0\.2\.10 is not blocked, but some traffic of others with it is stopped\n\nat the other end of:\n/,
    )
    assert.match(out, / 198\.51\.100\.7 +forwarded from it at eth0 to 192\.0\.2\.10 at eth1 /)
  })

  test('is shown by the help as it is typed', async () => {
    const { out } = await open.type('block --help')
    assert.ok(
      out.includes('--direction forward_from --interface eth0 --peer B --peer-interface eth1'),
    )
  })

  test('tells which network its peer is, where bits of a host were set', async () => {
    const { code, out, err } = await open.type(
      `block 198.51.100.8 --direction forward_to --peer 192.0.2.10/24 --for 4h ${reason}`,
    )
    assert.equal(code, 0)
    assert.match(out, /only forwarded to it from 192\.0\.2\.0\/24 until/)
    assert.match(
      err,
      /^note: host bits of the peer were set; the peer is the network 192\.0\.2\.0\/24\n/,
    )
  })

  for (const [given, error, hint] of [
    [
      '--direction forward-from',
      /--direction takes no "forward-from"/,
      /did you mean forward_from/,
    ],
    [
      '--direction forward_form',
      /--direction takes no "forward_form"/,
      /did you mean forward_from/,
    ],
    ['--direction sideways', /--direction takes no "sideways"/, /forward_from/],
    ['--peer router', /the peer "router" is no IPv4 or IPv6 address/, /such as 192\.0\.2\.10 or/],
    [
      '--peer 2001:db8::1',
      /the peer 2001:db8::1 is IPv6 and 198\.51\.100\.9 is IPv4/,
      /the IPv4 address/,
    ],
    ['--peer 0.0.0.0/0', /a peer 0\.0\.0\.0\/0 is everybody/, /leave the peer out/],
    ['--peer 198.51.100.9', /198\.51\.100\.9 is the target itself/, /who is at the other end/],
    [
      '--peer-interface eth1',
      /only what is forwarded has an interface .* this order is of in/,
      /forward_to/,
    ],
    ['--direction out --peer-interface eth1', /this order is of out/, /forward_from/],
    ['--peer-interface "eth 1"', /"eth 1" is no name of an interface/, /ip link/],
    ['--peer-interfce eth1', /no option --peer-interfce/, /did you mean --peer-interface/],
    ['--peers 192.0.2.10', /no option --peers/, /did you mean --peer\?/],
  ] as const)
    test(`is asked wrongly with "${given}", with what to type instead`, async () => {
      const { code, err } = await open.type(`block 198.51.100.9 ${given} --for 1h ${reason}`)
      assert.equal(code, 2)
      const [first = '', second = ''] = err.split('\n')
      assert.match(first, error)
      assert.match(second, hint)
      assert.match((await open.type('why 198.51.100.9')).out, /is not blocked\n/)
    })
})

test('each order that the README gives for a rule of a router is understood', async () => {
  const readme = readFileSync(new URL('README.md', root), 'utf8')
  const lines = [
    ...readme.matchAll(/^\| .*? \| `cordon ((?:block|allow|limit) 198\.51\.100\.[^`]*)`/gm),
  ]
  assert.equal(lines.length, 9)
  for (const [, line = ''] of lines) {
    const { code, err } = await open.type(`${line} --for 1h ${reason}`)
    assert.equal(code, 0, `${line}: ${err}`)
  }
})

describe('a limit', () => {
  test('is said back with its rate, whose burst is the rate unless it is given', async () => {
    const { code, out, err } = await open.type(
      `limit 203.0.113.3 --rate 20/second --for 1h ${reason}`,
    )
    assert.equal(code, 0, err)
    assert.match(out, /limit 203\.0\.113\.3 to 20 packets a second \(burst 20\) until /)
  })

  for (const [given, hint] of [
    ['--rate 20', /such as 20\/second/],
    ['--rate 0/second', /such as 20\/second/],
    ['--rate 20/second --burst 0', /from 1 to 65535/],
  ] as const)
    test(`with "${given}" is asked wrongly, with how to write it`, async () => {
      const { code, err } = await open.type(`limit 203.0.113.4 ${given} --for 1h ${reason}`)
      assert.equal(code, 2)
      assert.match(err, hint)
    })
})

describe('an allow', () => {
  test('is what why says first, with who and until when', async () => {
    const { code, err } = await open.type(`allow 203.0.113.5 --for 2h ${reason}`)
    assert.equal(code, 0, err)
    const why = await open.type('why 203.0.113.5')
    assert.equal(why.code, 3)
    assert.match(
      why.out,
      /^203\.0\.113\.5 is allowed until .* by token\/first-admin: three incidents\n/,
    )
  })

  test('needs a length', async () => {
    const { code, err } = await open.type(`allow 203.0.113.5 ${reason}`)
    assert.equal(code, 2)
    assert.match(err, /--for is missing/)
  })

  test('of what is protected is not needed, and that is said', async () => {
    const { code, err } = await open.type(`allow 10.1.2.3 --for 2h ${reason}`)
    assert.equal(code, 2)
    assert.match(err, /10\.1\.2\.3 is never blocked anyway: 10\.0\.0\.0\/8 is protected/)
  })
})

test('the list of what is blocked says what each does, to what only, and what it still stops', async () => {
  const { out } = await open.type('blocked list')
  assert.match(out, /^ADDRESS +DOES +ONLY +ENDS +NODES +HITS +LAST HIT +RULE +NOTE +DECISION\n/)
  assert.match(out, /^203\.0\.113\.1 +block +tcp 22,8000-8100 at eth0 reject +in /m)
  assert.match(out, /^203\.0\.113\.3 +limit +20\/second +in /m)
  assert.match(out, /^203\.0\.113\.5 +allow +- +in /m)
})

test('the list of decisions calls an allow an allow', async () => {
  const { out } = await open.type('decision list --target 203.0.113.5')
  assert.match(out, /^d-\w{16} .* allow +203\.0\.113\.5 /m)
})
