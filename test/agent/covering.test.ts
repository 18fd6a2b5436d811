/** Of many hosts and networks, those around an address. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Address, contains, networkAt, readAddress, widen } from '#contract/address.ts'
import { Covering } from '../../agent/covering.ts'

/** Close together, so that many lie in one another; also with the highest bit set. */
const anyAddress = fc
  .tuple(fc.constantFrom(4, 16), fc.constantFrom(0, 1, 127, 128, 255), fc.nat(3), fc.nat(128))
  .map(([size, first, last, prefix]): Address => {
    const bytes = Uint8Array.from({ length: size }, (_, index) =>
      index === 0 ? first : index === size - 1 ? last : 0,
    )
    return widen(networkAt(bytes, size * 8), Math.min(prefix, size * 8))
  })

test('what is around an address is what contains it, and each comes once', () => {
  fc.assert(
    fc.property(fc.array(anyAddress), anyAddress, (all, address) => {
      const covering = new Covering<{ address: Address }>()
      for (const one of all) covering.add({ address: one })
      const found = covering.around(address).map((entry) => entry.address.text)
      const expected = new Set(all.filter((one) => contains(one, address)).map(({ text }) => text))
      assert.deepEqual(found.sort(), [...expected].sort())
    }),
  )
})

test('the first entry of an address stays', () => {
  const covering = new Covering<{ address: Address; why: string }>()
  for (const why of ['first', 'second']) covering.add({ address: readAddress('192.0.2.0/24'), why })
  const found = covering.around(readAddress('192.0.2.255'))
  assert.deepEqual(
    found.map(({ why }) => why),
    ['first'],
  )
})
