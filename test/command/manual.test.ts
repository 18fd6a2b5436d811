/** Transcripts of block, allow and limit: what is typed about a part of the traffic, and what comes back. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { openService } from './terminal.ts'

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
