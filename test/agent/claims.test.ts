/** Claims that are kept packed are found and given back as they came, whatever came and went. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { Direction } from '#contract/action.ts'
import { readAddress } from '#contract/address.ts'
import { Claims } from '../../agent/claims.ts'
import type { Claim } from '../../agent/wished.ts'
import { decision } from './signer.ts'

/** Few enough that several decisions are on one address. */
const target = fc.oneof(
  fc.nat(60).map((n) => `203.0.113.${n}`),
  fc.nat(60).map((n) => `2001:db8::${(n + 1).toString(16)}`),
  fc.constantFrom('203.0.113.0/24', '203.0.0.0/16', '203.0.113.0/25', '2001:db8::/64', '::/0'),
)

const claim: fc.Arbitrary<Claim> = fc.record(
  {
    audience: fc.constantFrom('all', 'group/web'),
    decision: fc.nat(300).map(decision),
    target,
    direction: fc.constantFrom<Direction>('in', 'out', 'both'),
    end: fc.integer({ min: 1, max: 8.64e15 }),
    scoped: fc.constant({ protocol: 'tcp' } as const),
  },
  { requiredKeys: ['audience', 'decision', 'target', 'direction', 'end'], noNullPrototype: true },
)

/** Several times as many as there is room for at first come, and then most of them go. */
const history = fc.tuple(
  fc.array(claim, { minLength: 200, maxLength: 400 }),
  fc.infiniteStream(fc.nat(99)),
)

describe('packed claims', () => {
  test('after any history are those that were added and not removed, as they were', () => {
    fc.assert(
      fc.property(history, ([added, dice]) => {
        const { claims, model } = filled(added)
        for (const one of [...model.values()]) if (Number(dice.next().value) < 80) drop(one)
        assert.deepEqual(sorted(claims.all()), sorted(model.values()))
        assert.equal(claims.size, model.size)
        for (const one of added) {
          const there = model.get(nameOf(one))
          assert.deepEqual(claims.get(one.audience, one.decision), there)
          assert.equal(claims.has(one.audience, one.decision), there !== undefined)
        }
        for (const audience of ['all', 'group/web']) {
          const own = [...model.values()].filter((one) => one.audience === audience)
          assert.deepEqual(sorted(claims.all(audience)), sorted(own))
          assert.equal(claims.sizeOf(audience), own.length)
        }

        function drop({ audience, decision: name }: Claim): void {
          claims.remove(audience, name)
          model.delete(`${audience} ${name}`)
        }
      }),
      { numRuns: 50 },
    )
  })

  test('of an address tell how long its plain ones last each way, and of a network nothing of its hosts', () => {
    fc.assert(
      fc.property(history, ([added]) => {
        const { claims, model } = filled(added)
        const plain = [...model.values()].filter(({ scoped }) => !scoped)
        for (const text of new Set(added.map((one) => one.target))) {
          const address = readAddress(text)
          const on = plain.filter((one) => one.target === text)
          assert.deepEqual(sorted(claims.on(address)), sorted(on))
          const latest = (way: Direction) =>
            Math.max(0, ...on.flatMap((one) => (goesBy(one, way) ? one.end : [])))
          assert.deepEqual(claims.latestEnds(address), { in: latest('in'), out: latest('out') })
        }
        const texts = [...claims.addresses()].map(({ text }) => text)
        assert.deepEqual(texts.sort(), [...new Set(plain.map((one) => one.target))].sort())
      }),
      { numRuns: 50 },
    )
  })

  test('end one after the other in the order of their ends', () => {
    fc.assert(
      fc.property(history, ([added]) => {
        const { claims, model } = filled(added)
        const ends: number[] = []
        for (let next = claims.next(); next; next = claims.next()) {
          assert.equal(claims.nextEnd(), next.end)
          ends.push(next.end)
          claims.remove(next.audience, next.decision)
        }
        const expected = [...model.values()].map(({ end }) => end)
        assert.deepEqual(
          ends,
          expected.sort((a, b) => a - b),
        )
        assert.equal(claims.nextEnd(), undefined)
      }),
      { numRuns: 50 },
    )
  })

  test('are all found, with their ends in order, when room was made for more of them than there are', () => {
    const claims = new Claims()
    const plain = (n: number): Claim => ({
      ...{ audience: 'all', decision: decision(n), target: `203.0.113.${n}` },
      ...{ direction: 'in', end: 1_000 - n },
    })
    const add = (n: number) => claims.add(plain(n), readAddress(plain(n).target))
    for (let n = 1; n <= 60; n++) add(n)
    claims.expect(5_000)
    for (let n = 61; n <= 120; n++) add(n)
    for (let n = 1; n <= 120; n++) assert.deepEqual(claims.get('all', decision(n)), plain(n))
    for (let n = 120; n >= 1; n--) {
      assert.equal(claims.nextEnd(), 1_000 - n)
      claims.remove('all', decision(n))
    }
    assert.equal(claims.size, 0)
  })

  test('are known as they are: with another end, address or scope it is another claim', () => {
    const claims = new Claims()
    const known: Claim = {
      ...{ audience: 'all', decision: decision(1), target: '203.0.113.7' },
      ...{ direction: 'in', end: 5 },
    }
    const holds = (one: Claim) => claims.known(one, readAddress(one.target)) === 'same'
    assert.equal(holds(known), false)
    claims.add(known, readAddress(known.target))
    assert.equal(holds({ ...known }), true)
    assert.equal(holds({ ...known, end: 6 }), false)
    assert.equal(holds({ ...known, direction: 'both' }), false)
    assert.equal(holds({ ...known, audience: 'group/web' }), false)
    assert.equal(holds({ ...known, target: '203.0.113.8' }), false)
    const scoped: Claim = { ...known, scoped: { protocol: 'tcp' } }
    assert.equal(holds(scoped), false)
    claims.remove('all', decision(1))
    claims.add(scoped, readAddress(scoped.target))
    assert.equal(holds(scoped), true)
    assert.equal(holds(known), false)
  })
})

/** The later claim of a decision takes the place of the earlier one. */
function filled(added: readonly Claim[]): { claims: Claims; model: Map<string, Claim> } {
  const claims = new Claims()
  const model = new Map<string, Claim>()
  for (const one of added) {
    claims.remove(one.audience, one.decision)
    claims.add(one, readAddress(one.target))
    model.set(nameOf(one), one)
  }
  return { claims, model }
}

function nameOf(one: Claim): string {
  return `${one.audience} ${one.decision}`
}

function goesBy({ direction }: Claim, way: Direction): boolean {
  return direction === way || direction === 'both'
}

function sorted(claims: Iterable<Claim>): Claim[] {
  return [...claims].sort((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))
}
