/** What the number of elements tells of what others did to a set. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Tally } from '../../agent/kernel/ipset-tally.ts'

test('what others add or take out shows, as far as our own changes do not explain it', () => {
  const tally = new Tally(() => 0)
  assert.equal(tally.see('one', 7), undefined, 'nothing is known of what was there before')
  tally.empty('one')
  for (let count = 0; count < 7; count++) tally.put('one', Number.POSITIVE_INFINITY)
  assert.equal(tally.see('one', 7), undefined)
  assert.match(tally.see('one', 6) ?? '', /removed: at least 1 of one/)
  tally.put('one', 3_600_000)
  tally.remove('one')
  assert.equal(tally.see('one', 6), undefined)
  tally.put('one', 3_600_000)
  assert.match(tally.see('one', 9) ?? '', /added: at least 2 to one/)
})

test('what ends is not told, also when it is looked at late', () => {
  let now = 0
  const tally = new Tally(() => now)
  tally.empty('one')
  for (let count = 0; count < 5; count++) tally.put('one', 25_000)
  assert.equal(tally.see('one', 5), undefined)
  now = 10_000
  assert.match(tally.see('one', 4) ?? '', /removed: at least 1/)
  now = 600_000
  assert.equal(tally.see('one', 0), undefined)
})

test('whatever is put, removed and ends, nothing is told while nobody else does anything', () => {
  const act = fc.record({
    kind: fc.constantFrom('put', 'remove', 'pass', 'look', 'refill'),
    key: fc.integer({ min: 0, max: 5 }),
    seconds: fc.integer({ min: 1, max: 60 }),
  })
  fc.assert(
    fc.property(fc.array(act, { maxLength: 80 }), (acts) => {
      let now = 0
      const tally = new Tally(() => now)
      const kernel = new Map<number, number>()
      const look = () => {
        // The kernel lets go at a whole second, up to one later than it was told.
        for (const [key, end] of kernel) if (end + 1_000 <= now) kernel.delete(key)
        assert.equal(tally.see('one', kernel.size), undefined)
      }
      tally.empty('one')
      for (const { kind, key, seconds } of acts) {
        if (kind === 'put') kernel.set(key, now + seconds * 1_000)
        if (kind === 'put') tally.put('one', seconds * 1_000)
        if (kind === 'remove' && kernel.delete(key)) tally.remove('one')
        if (kind === 'refill') {
          kernel.clear()
          tally.empty('one')
        }
        if (kind === 'look') look()
        // The watch looks every ten seconds.
        for (let passed = 0; kind === 'pass' && passed < seconds; passed += 10) {
          now += 10_000
          look()
        }
      }
    }),
  )
})
