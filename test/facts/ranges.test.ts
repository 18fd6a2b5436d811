/** The index of networks against a slow one that cannot be wrong. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  type Address,
  compareAddresses,
  contains,
  networkAt,
  overlaps,
  readAddress,
  widen,
} from '#contract/address.ts'
import {
  holds,
  networksOf,
  RangesBuilder,
  rangesIn,
  touches,
} from '../../actions/facts/lists/ranges.ts'

const built = (networks: readonly Address[]) => {
  const builder = new RangesBuilder()
  for (const network of networks) builder.add(network)
  return builder.build()
}

/** Close to one another, so that they nest, touch and overlap; also at both ends of the space. */
const four = fc
  .tuple(
    fc.constantFrom(0, 192, 255),
    fc.constantFrom(0, 255),
    fc.constantFrom(0, 2, 255),
    fc.nat(255),
    fc.integer({ min: 20, max: 32 }),
  )
  .map(([a, b, c, d, prefix]) => widen(readAddress(`${a}.${b}.${c}.${d}`), prefix))
const six = fc
  .tuple(
    fc.constantFrom('2001:db8', 'ffff:ffff', '0:0'),
    fc.nat(3),
    fc.constantFrom('0', 'ffff'),
    fc.nat(15),
    fc.integer({ min: 44, max: 128 }),
  )
  .map(([head, group, middle, tail, prefix]) =>
    widen(
      readAddress(`${head}:${group}:${middle}:${middle}:${middle}:${middle}:${tail.toString(16)}`),
      prefix,
    ),
  )
const network = fc.oneof(four, six)

test('an address is listed exactly when one of the networks contains it', () => {
  fc.assert(
    fc.property(fc.array(network, { maxLength: 40 }), network, (list, address) => {
      const host = networkAt(address.bytes, address.bytes.length * 8)
      assert.equal(
        holds(built(list), host),
        list.some((one) => contains(one, host)),
      )
    }),
    { numRuns: 2_000 },
  )
})

test('a network is listed when all of it is, also by several networks that touch', () => {
  fc.assert(
    fc.property(fc.array(network, { maxLength: 40 }), network, (list, asked) => {
      const ranges = built(list)
      if (list.some((one) => contains(one, asked))) assert.ok(holds(ranges, asked))
      if (holds(ranges, asked)) {
        const parts = list.filter((one) => contains(asked, one))
        const whole =
          list.some((one) => contains(one, asked)) || size(built(parts)) === sizeOf(asked)
        assert.ok(whole)
      }
    }),
    { numRuns: 2_000 },
  )
  const halves = built([readAddress('192.0.2.0/25'), readAddress('192.0.2.128/25')])
  assert.ok(holds(halves, readAddress('192.0.2.0/24')))
  assert.ok(!holds(halves, readAddress('192.0.2.0/23')))
})

test('touching is overlapping', () => {
  fc.assert(
    fc.property(fc.array(network, { maxLength: 40 }), network, (list, asked) => {
      assert.equal(
        touches(built(list), asked),
        list.some((one) => overlaps(one, asked)),
      )
    }),
    { numRuns: 2_000 },
  )
})

test('the networks of a list are apart, in order, canonical, and the same addresses', () => {
  fc.assert(
    fc.property(fc.array(network, { maxLength: 40 }), (list) => {
      const ranges = built(list)
      const networks = [...networksOf(ranges)]
      for (const [at, one] of networks.entries()) {
        const next = networks[at + 1]
        if (next) assert.ok(compareAddresses(one, next) < 0 && !overlaps(one, next))
        assert.equal(readAddress(one.text).text, one.text)
      }
      assert.deepEqual(built(networks), ranges)
      assert.ok(list.every((one) => networks.some((net) => overlaps(net, one))))
      assert.ok(rangesIn(ranges) <= networks.length)
    }),
    { numRuns: 1_000 },
  )
})

test('the whole of a family is one network', () => {
  const halves = ['0.0.0.0/1', '128.0.0.0/1', '::/1', '8000::/1'].map(readAddress)
  assert.deepEqual(
    [...networksOf(built(halves))].map(({ text }) => text),
    ['0.0.0.0/0', '::/0'],
  )
})

function sizeOf({ bytes, prefix }: Address): bigint {
  return 1n << BigInt(bytes.length * 8 - prefix)
}

function size(ranges: ReturnType<typeof built>): bigint {
  return [...networksOf(ranges)].reduce((sum, one) => sum + sizeOf(one), 0n)
}
