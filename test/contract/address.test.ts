/** Addresses: one spelling each, and what lies in what. */
import assert from 'node:assert/strict'
import { isIP } from 'node:net'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import {
  type Address,
  addressScope,
  compareAddresses,
  contains,
  isHost,
  isLoopback,
  maybeAddress,
  overlaps,
  readAddress,
  widen,
} from '#contract/address.ts'

const host4 = fc.ipV4()
const host6 = fc
  .array(fc.oneof(fc.nat(0xffff), fc.constantFrom(0, 1, 0xffff)), { minLength: 8, maxLength: 8 })
  .filter((groups) => !(groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff))
  .map((groups) => groups.map((group) => group.toString(16)).join(':'))
const address: fc.Arbitrary<Address> = fc.oneof(
  fc.tuple(host4, fc.nat(32)).map(([host, prefix]) => readAddress(`${host}/${prefix}`)),
  fc.tuple(host6, fc.nat(128)).map(([host, prefix]) => readAddress(`${host}/${prefix}`)),
)
/** Two that are often nested: the second lies near the first. */
const near = fc
  .tuple(address, fc.nat(128), fc.nat(128))
  .map(([one, a, b]): [Address, Address] => [
    widen(one, Math.min(a, one.prefix)),
    widen(one, Math.min(b, one.prefix)),
  ])
const pair = fc.oneof(near, fc.tuple(address, address))

describe('an address', () => {
  test('that is printed and read again is the same', () => {
    fc.assert(
      fc.property(address, (one) => {
        const again = readAddress(one.text)
        assert.deepEqual(again, { ...one, cleared: false })
      }),
    )
  })

  test('has one text, whatever its spelling', () => {
    for (const [text, wanted] of [
      ['2001:DB8:0:0:0:0:0:7', '2001:db8::7'],
      ['2001:db8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
      ['2001:db8::192.0.2.7', '2001:db8::c000:207'],
      ['203.0.113.7/32', '203.0.113.7'],
      ['2001:db8::7/128', '2001:db8::7'],
      ['::', '::'],
      ['0.0.0.0/0', '0.0.0.0/0'],
      ['::/0', '::/0'],
    ] as const)
      assert.equal(readAddress(text).text, wanted)
  })

  test('that is IPv4 mapped into IPv6 is the IPv4 address, also as a network', () => {
    fc.assert(
      fc.property(host4, fc.nat(32), (host, prefix) => {
        assert.equal(
          readAddress(`::ffff:${host}/${prefix + 96}`).text,
          readAddress(`${host}/${prefix}`).text,
        )
      }),
    )
    assert.equal(readAddress('::ffff:203.0.113.7').text, '203.0.113.7')
    assert.equal(readAddress('::ffff:cb00:7107').text, '203.0.113.7')
    assert.throws(() => readAddress('::ffff:203.0.113.7/95'), { code: 'address_invalid' })
  })

  test('with host bits is the network, and says that they were cleared', () => {
    assert.deepEqual(
      [readAddress('203.0.113.7/24').text, readAddress('203.0.113.7/24').cleared],
      ['203.0.113.0/24', true],
    )
    assert.equal(readAddress('203.0.113.0/24').cleared, false)
    assert.equal(readAddress('203.0.113.7').cleared, false)
    assert.equal(readAddress('2001:db8:1:2:3::/64').cleared, true)
  })

  test('of an odd spelling is refused, never guessed at', () => {
    const odd = [
      '',
      ' ',
      ' 203.0.113.7',
      '203.0.113.7 ',
      '203.0.113.07',
      '0x7f.0.0.1',
      '203.0.113',
      '3405803783',
      '203.0.113.7:22',
      '[2001:db8::7]',
      'fe80::1%eth0',
      '203.0.113.0/',
      '203.0.113.0/33',
      '203.0.113.0/-1',
      '203.0.113.0/024',
      '203.0.113.0/24/24',
      '203.0.113.0/255.255.255.0',
      '2001:db8::/129',
      '2001:db8::/1e1',
      '2001:db8:::7',
      'example.org',
      '203.0.113.7,203.0.113.8',
      '203.0.113.7\n',
      '２０３.0.113.7',
      '/24',
      '::ffff:1.2.3.4/+8',
    ]
    for (const text of odd) {
      assert.throws(() => readAddress(text), { code: 'address_invalid' }, JSON.stringify(text))
      assert.equal(maybeAddress(text), undefined)
    }
  })
})

describe('of texts', () => {
  const part = fc.constantFrom(
    ...[
      '0',
      '1',
      'ab',
      'ffff',
      '00ff',
      '12345',
      'g',
      '::',
      ':',
      '.',
      '%',
      '%1',
      '[',
      ' ',
      '\n',
      '\0',
      '１',
    ],
    ...['1.2.3.4', '01.2.3.4', '256.1.1.1', '1.2.3', '0x1', 'FE80', '/'],
  )
  const text = fc
    .tuple(fc.array(part, { minLength: 1, maxLength: 10 }), fc.constantFrom('', ':', ':', ':', '.'))
    .map(([parts, between]) => parts.join(between))

  test('just those are addresses that Node takes for one, but for zones', () => {
    fc.assert(
      fc.property(fc.oneof(text, fc.string(), host6), (some) => {
        fc.pre(!some.includes('/'))
        const expected = isIP(some) !== 0 && !some.includes('%')
        assert.equal(maybeAddress(some) !== undefined, expected, JSON.stringify(some))
      }),
      { numRuns: 20_000 },
    )
  })
})

describe('a network', () => {
  test('is never cut down to one address', () => {
    fc.assert(
      fc.property(address, (one) => {
        assert.equal(isHost(one), one.prefix === (one.family === 4 ? 32 : 128))
        assert.equal(one.text.includes('/'), !isHost(one))
      }),
    )
  })

  test('contains itself, and what contains what is contained by it', () => {
    fc.assert(
      fc.property(pair, fc.nat(128), ([a, b], prefix) => {
        assert.ok(contains(a, a))
        const outer = widen(a, Math.min(prefix, a.prefix))
        assert.ok(contains(outer, a))
        if (contains(a, b)) assert.ok(contains(outer, b))
        if (contains(a, b) && contains(b, a)) assert.equal(a.text, b.text)
      }),
    )
  })

  test('contains exactly the addresses whose bits begin as its own do', () => {
    const bits = ({ bytes }: Address) =>
      [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('')
    fc.assert(
      fc.property(pair, ([a, b]) => {
        const begins = bits(b).startsWith(bits(a).slice(0, a.prefix))
        assert.equal(contains(a, b), a.family === b.family && b.prefix >= a.prefix && begins)
      }),
    )
  })

  test('overlaps another exactly when that one overlaps it', () => {
    fc.assert(
      fc.property(pair, ([a, b]) => {
        assert.equal(overlaps(a, b), overlaps(b, a))
        assert.equal(overlaps(a, b), contains(a, b) || contains(b, a))
      }),
    )
  })

  test('that is widened is never narrower than it was', () => {
    fc.assert(
      fc.property(address, fc.nat(128), (one, prefix) => {
        const wide = widen(one, prefix)
        assert.equal(wide.prefix, Math.min(prefix, one.prefix))
        assert.ok(contains(wide, one))
      }),
    )
  })

  test('has one place in the order, IPv4 before IPv6 and the wider first', () => {
    fc.assert(
      fc.property(fc.array(address, { maxLength: 10 }), (all) => {
        const sorted = all.toSorted(compareAddresses)
        assert.deepEqual(
          sorted
            .toReversed()
            .toSorted(compareAddresses)
            .map(({ text }) => text),
          sorted.map(({ text }) => text),
        )
      }),
    )
    assert.ok(compareAddresses(readAddress('203.0.113.0/24'), readAddress('203.0.113.0')) < 0)
    assert.ok(compareAddresses(readAddress('255.0.0.0'), readAddress('::')) < 0)
  })

  test('is loopback only when no other machine can be meant', () => {
    const here = ['127.0.0.1', '127.9.9.9', '::1', '[::1]', '::ffff:127.0.0.1', 'localhost']
    const elsewhere = [
      '0.0.0.0',
      '::',
      '192.0.2.1',
      '127.0.0.1.example.org',
      'localhost.example',
      '',
    ]
    assert.deepEqual(
      here.map(isLoopback),
      here.map(() => true),
    )
    assert.deepEqual(
      elsewhere.map(isLoopback),
      elsewhere.map(() => false),
    )
  })

  test('that holds any of a stricter range is that range', () => {
    for (const [text, scope] of [
      ['0.0.0.0/0', 'special'],
      ['::/0', 'special'],
      ['127.0.0.1', 'special'],
      ['169.254.1.1', 'special'],
      ['fe80::1', 'special'],
      ['ff02::1', 'special'],
      ['64:ff9b::c000:201', 'special'],
      ['64:ff9b:1:2::/64', 'special'],
      ['10.0.0.0/7', 'private'],
      ['100.64.0.9', 'private'],
      ['fd00::7', 'private'],
      ['203.0.113.7', 'documentation'],
      ['2001:db8::/31', 'documentation'],
      ['8.8.8.8', 'global'],
      ['2a00::1', 'global'],
    ] as const)
      assert.equal(addressScope(readAddress(text)), scope, text)
  })
})
