/** Lists laid over one another, held against the same done address by address. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { type Address, readAddress } from '#contract/address.ts'
import {
  inOrder,
  layAll,
  networksIn,
  type Stretch,
  stretchOf,
  without,
} from '../../agent/stretch.ts'

/** Networks within 203.0.113.0/24 or 2001:db8::/120, so that every address can be looked at. */
const network = fc
  .record({
    four: fc.boolean(),
    host: fc.integer({ min: 0, max: 255 }),
    bits: fc.integer({ min: 0, max: 8 }),
  })
  .map(({ four, host, bits }) => {
    const first = (host >> bits) << bits
    return readAddress(
      four ? `203.0.113.${first}/${32 - bits}` : `2001:db8::${first.toString(16)}/${128 - bits}`,
    )
  })
const list = fc.array(
  fc.tuple(network, fc.integer({ min: 1, max: 4 })).map(([one, end]) => stretchOf(one, end)),
  { maxLength: 12 },
)

describe('lists laid over one another', () => {
  test('block each address until the latest end of any of them', () => {
    fc.assert(
      fc.property(fc.array(list, { maxLength: 4 }), (lists) => {
        const laid = [...layAll(lists.map(inOrder))]
        for (const at of everywhere())
          assert.equal(endAt(laid, at), Math.max(0, ...lists.map((one) => endAt(one, at))))
      }),
    )
  })

  test('are in order, apart, and in as few pieces as can be', () => {
    fc.assert(
      fc.property(list, list, (a, b) => {
        const laid = [...layAll([inOrder(a), inOrder(b)])]
        for (const [index, one] of laid.entries()) {
          const before = laid[index - 1]
          if (!before) continue
          assert.ok(before.to <= one.from)
          assert.ok(before.to < one.from || before.end !== one.end)
        }
      }),
    )
  })

  test('lose exactly what is cut out', () => {
    fc.assert(
      fc.property(list, list, (a, cut) => {
        const left = [...without(inOrder(a), inOrder(cut))]
        for (const at of everywhere())
          assert.equal(endAt(left, at), endAt(cut, at) > 0 ? 0 : endAt(a, at))
      }),
    )
  })

  test('become networks that are the same addresses', () => {
    fc.assert(
      fc.property(list, (a) => {
        for (const one of inOrder(a)) {
          const networks = [...networksIn(one)]
          for (const each of networks) assert.equal(readAddress(each.text).text, each.text)
          const again = inOrder(networks.map((each) => stretchOf(each, one.end)))
          assert.deepEqual(again, [one])
        }
      }),
    )
  })
})

test('the whole of either family, and its last address, are no special case', () => {
  for (const text of ['0.0.0.0/0', '255.255.255.255', '::/0', 'ffff::/16', '128.0.0.0/1'])
    assert.deepEqual(
      [...networksIn(stretchOf(readAddress(text), 1))].map((one: Address) => one.text),
      [text],
    )
})

function* everywhere(): Generator<bigint> {
  for (const first of ['203.0.113.0', '2001:db8::'])
    for (let host = 0n; host < 256n; host++) yield stretchOf(readAddress(first), 0).from + host
}

function endAt(stretches: readonly Stretch[], at: bigint): number {
  return Math.max(0, ...stretches.filter((o) => o.from <= at && at < o.to).map(({ end }) => end))
}
