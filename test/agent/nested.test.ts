/** Networks of rare lengths inside one another: each address ends with the last network around it, and no sooner. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { Direction } from '#contract/action.ts'
import { type Address, contains, overlaps, readAddress, widen } from '#contract/address.ts'
import { Differences } from '../../agent/differences.ts'
import type { Change, SetName } from '../../agent/kernel/firewall.ts'
import { Nested } from '../../agent/nested.ts'
import { type Element, elementKey, puts } from '../../agent/plan.ts'
import { type Claim, Wished } from '../../agent/wished.ts'
import { decision } from './signer.ts'

const minute = 60_000

/** Few hosts and many lengths, so that most networks lie in or around others. */
const network = fc.oneof(
  fc
    .tuple(
      fc.constantFrom('203.0.113.7', '203.0.113.8', '203.0.112.200', '203.0.127.255'),
      fc.constantFrom(17, 18, 20, 22, 23, 25, 26, 28, 30, 31),
    )
    .map(([host, prefix]) => widen(readAddress(host), prefix)),
  fc
    .tuple(
      fc.constantFrom('2001:db8::7', '2001:db8:0:1::7', '2001:db8:ffff::7'),
      fc.constantFrom(33, 36, 40, 47, 56, 60, 63, 65, 127),
    )
    .map(([host, prefix]) => widen(readAddress(host), prefix)),
)
const claim: fc.Arbitrary<Claim> = fc.record({
  audience: fc.constantFrom('all', 'node/web-01'),
  decision: fc.nat(12).map(decision),
  target: network.map(({ text }) => text),
  direction: fc.constantFrom<Direction>('in', 'out', 'both'),
  end: fc.integer({ min: 1, max: 20 * minute }),
})

type Step =
  | { kind: 'add'; claim: Claim }
  | { kind: 'remove'; audience: string; decision: string }
  | { kind: 'pass'; ms: number }
  | { kind: 'confirm' }
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('add' as const), claim }) },
  fc.record({
    kind: fc.constant('remove' as const),
    audience: fc.constantFrom('all', 'node/web-01'),
    decision: fc.nat(12).map(decision),
  }),
  fc.record({ kind: fc.constant('pass' as const), ms: fc.nat(3 * minute) }),
  fc.record({ kind: fc.constant('confirm' as const) }),
)

/** An interval set of the kernel: it refuses what overlaps, and lets go of each element by its own clock. */
class Kernel {
  readonly held = new Map<string, Element>()

  apply(changes: readonly Change[], now: number): void {
    for (const [key, { end }] of this.held) if (end <= now) this.held.delete(key)
    const before = this.#fill()
    let most = before
    for (const change of changes) {
      const key = elementKey(change.set, change.address)
      if (change.op === 'remove') this.held.delete(key)
      else this.#put(key, { set: change.set, address: change.address, end: now + change.timeoutMs })
      most = Math.max(most, this.#fill())
    }
    assert.ok(most <= Math.max(before, this.#fill()), `${most} on the way from ${before}`)
  }

  /** Of one of the sets: each counts for itself. */
  #fill(): number {
    return [...this.held.values()].filter(({ set }) => set === 'in_rare4').length
  }

  #put(key: string, element: Element): void {
    for (const [other, { set, address }] of this.held)
      assert.ok(
        other === key || set !== element.set || !overlaps(address, element.address),
        `${key} overlaps ${other}`,
      )
    this.held.set(key, element)
  }
}

/** The first and the last host of each network, and the hosts beside them: nothing changes between these. */
function edges(networks: readonly Address[]): Address[] {
  return networks.flatMap((one) => {
    const last = one.bytes.map(
      (byte, at) => byte | (2 ** Math.min(Math.max((at + 1) * 8 - one.prefix, 0), 8) - 1),
    )
    return [...around(one.bytes), ...around(last)].map((bytes) => host(bytes))
  })
}

function around(bytes: Uint8Array): Uint8Array[] {
  const low = bytes.length - 1
  return [-1, 0, 1].map((by) => bytes.map((byte, at) => (at === low ? (byte + by) & 0xff : byte)))
}

function host(bytes: Uint8Array): Address {
  const groups = Buffer.from(bytes).toString('hex').match(/.{4}/g) ?? []
  return readAddress(bytes.length === 4 ? bytes.join('.') : groups.join(':'))
}

/** Until when the address is blocked that way, from every claim. */
function wanted(claims: readonly Claim[], way: 'in' | 'out', address: Address): number {
  const on = claims.filter(
    ({ target, direction }) =>
      (direction === way || direction === 'both') && contains(readAddress(target), address),
  )
  return Math.max(0, ...on.map(({ end }) => end))
}

/** Until when elements hold the address that way. An interval set must have one answer. */
function found(elements: readonly Element[], way: 'in' | 'out', address: Address): number {
  const on = elements.filter((one) => one.set.startsWith(way) && contains(one.address, address))
  assert.ok(on.length < 2, `${address.text} is held ${on.length} times`)
  return on[0]?.end ?? 0
}

function mustCover(elements: readonly Element[], claims: readonly Claim[]): void {
  for (const address of edges(claims.map(({ target }) => readAddress(target))))
    for (const way of ['in', 'out'] as const)
      assert.equal(found(elements, way, address), wanted(claims, way, address), address.text)
}

describe('networks of rare lengths inside one another', () => {
  test('at every moment an address is held exactly if some network around it has not ended', () => {
    fc.assert(
      fc.property(fc.array(claim, { maxLength: 20 }), fc.nat(20 * minute), (claims, now) => {
        const wished = new Wished()
        for (const one of claims) add(wished, one)
        const live = [...wished.claims()].filter(({ end }) => end > now)
        const kernel = new Kernel()
        kernel.apply(puts(wished.elements(), now), now)
        mustCover([...kernel.held.values()], live)
      }),
      { numRuns: 300 },
    )
  })

  test('after any history the changes make the kernel hold what is wished, until its ends', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const wished = new Wished()
        const differences = new Differences(wished, () => {})
        const kernel = new Kernel()
        let now = 0
        const settle = () => {
          while (wished.removeEnded(now, differences.note));
          kernel.apply(differences.take(now).changes, now)
        }
        for (const one of steps) {
          if (one.kind === 'add')
            wished.add(
              { ...one.claim, end: now + one.claim.end },
              readAddress(one.claim.target),
              differences.note,
            )
          else if (one.kind === 'remove')
            wished.remove(one.audience, one.decision, differences.note)
          else if (one.kind === 'pass') now += one.ms
          else settle()
        }
        settle()
        const keyed = [...wished.elements()].map(
          (one) => [elementKey(one.set, one.address), one.end] as const,
        )
        const held = [...kernel.held].map(([key, { end }]) => [key, end] as const)
        assert.deepEqual(new Map(held.sort()), new Map(keyed.sort()))
        assert.equal(wished.countElements(), kernel.held.size)
        mustCover([...kernel.held.values()], [...wished.claims()])
      }),
      { numRuns: 300 },
    )
  })

  test('while nobody is there the kernel alone lets go of each address at its own end', () => {
    fc.assert(
      fc.property(fc.array(claim, { maxLength: 20 }), (claims) => {
        const wished = new Wished()
        for (const one of claims) add(wished, one)
        const kernel = new Kernel()
        kernel.apply(puts(wished.elements(), 0), 0)
        for (const now of claims.map(({ end }) => end).sort((a, b) => a - b)) {
          kernel.apply([], now)
          mustCover(
            [...kernel.held.values()],
            [...wished.claims()].filter(({ end }) => end > now),
          )
        }
      }),
    )
  })

  test('an inner one that ends later is cut out of the outer one, and holds on without it', () => {
    assert.deepEqual(
      held([
        ['203.0.112.0/22', 10],
        ['203.0.113.128/25', 30],
      ]),
      ['203.0.112.0/24 10', '203.0.113.0/25 10', '203.0.113.128/25 30', '203.0.114.0/23 10'],
    )
  })

  test('an inner one that ends no later costs nothing, and is there when the outer one is lifted', () => {
    assert.deepEqual(
      held([
        ['203.0.112.0/22', 30],
        ['203.0.113.128/25', 30],
      ]),
      ['203.0.112.0/22 30'],
    )
    const wished = new Wished()
    add(wished, claimOf(1, '203.0.112.0/22', 30))
    add(wished, claimOf(2, '203.0.113.128/25', 20))
    wished.remove('all', decision(1), () => {})
    assert.deepEqual(print(wished), ['203.0.113.128/25 20'])
  })

  test('an inner one that was lifted gives its place back to the outer one', () => {
    const wished = new Wished()
    add(wished, claimOf(1, '203.0.112.0/22', 10))
    add(wished, claimOf(2, '203.0.113.128/25', 30))
    wished.remove('all', decision(2), () => {})
    assert.deepEqual(print(wished), ['203.0.112.0/22 10'])
  })

  test('a piece of a common length stays in the interval set, and the hash set knows nothing of it', () => {
    const wished = new Wished()
    add(wished, claimOf(1, '203.0.112.0/23', 10))
    add(wished, claimOf(2, '203.0.113.128/25', 30))
    assert.ok([...wished.elements()].some(({ address }) => address.text === '203.0.112.0/24'))
    assert.deepEqual(
      new Set([...wished.elements()].map(({ set }) => set)),
      new Set<SetName>(['in_rare4']),
    )
  })

  test('what takes the place of a network stands right behind its removal, however many change', () => {
    const wished = new Wished()
    const differences = new Differences(wished, () => {})
    const nets = Array.from({ length: 3_000 }, (_, n) => `198.18.${n >> 4}.${(n & 15) * 16}`)
    nets.forEach((net, n) => {
      wished.add(claimOf(n, `${net}/28`, 10), readAddress(`${net}/28`), differences.note)
    })
    differences.take(0)
    nets.forEach((net, n) => {
      wished.add(claimOf(3_000 + n, `${net}/30`, 30), readAddress(`${net}/30`), differences.note)
    })
    const { changes } = differences.take(0)
    assert.equal(changes.length, 3_000 * 4)
    let removed: Address | undefined
    changes.forEach(({ op, address }, at) => {
      assert.equal(op, at % 4 === 0 ? 'remove' : 'put')
      if (op === 'remove') removed = address
      else assert.ok(removed && contains(removed, address))
    })
  })

  test('on the way from one state to the next the set is never fuller than before and after', () => {
    const wished = new Wished()
    const differences = new Differences(wished, () => {})
    const kernel = new Kernel()
    const say = (n: number, target: string, end: number) =>
      wished.add(claimOf(n, target, end), readAddress(target), differences.note)
    say(1, '203.0.112.0/22', 10)
    say(2, '203.0.120.0/22', 10)
    say(3, '203.0.120.0/28', 30)
    kernel.apply(differences.take(0).changes, 0)
    say(4, '203.0.112.0/28', 30)
    wished.remove('all', decision(3), differences.note)
    // It says so itself when it was fuller.
    kernel.apply(differences.take(0).changes, 0)
    assert.equal(kernel.held.size, 8)
  })

  test('there are never more pieces than were counted, whichever networks go first', () => {
    const entries = fc.array(fc.tuple(network, fc.integer({ min: 1, max: 9 })), { maxLength: 30 })
    fc.assert(
      fc.property(entries, fc.infiniteStream(fc.nat(30)), (all, order) => {
        const nested = new Nested()
        const there = new Map<string, [Address, number]>()
        for (const [address, end] of all.filter(([{ family }]) => family === all[0]?.[0].family)) {
          const promised = nested.mostWith(address)
          nested.put(address, end)
          there.set(address.text, [address, end])
          assert.equal(nested.most, promised)
        }
        while (there.size > 0) {
          assert.ok(
            nested.countPieces() <= nested.most,
            `${nested.countPieces()} of ${nested.most}`,
          )
          const pieces = [...there.values()].flatMap(([address]) => nested.pieces(address))
          assert.equal(nested.countPieces(), pieces.length)
          const before = nested.most
          const [gone] = [...there.values()][(order.next().value ?? 0) % there.size] ?? []
          if (!gone) return
          nested.delete(gone)
          there.delete(gone.text)
          assert.ok(nested.most <= before)
          const anew = new Nested()
          for (const [address, end] of there.values()) anew.put(address, end)
          assert.equal(nested.most, anew.most)
        }
        assert.equal(nested.most, 0)
      }),
    )
  })
})

function claimOf(n: number, target: string, end: number): Claim {
  return { audience: 'all', decision: decision(n), target, direction: 'in', end }
}

function add(wished: Wished, one: Claim): void {
  wished.add(one, readAddress(one.target), () => {})
}

function held(networks: readonly (readonly [string, number])[]): string[] {
  const wished = new Wished()
  networks.forEach(([target, end], n) => {
    add(wished, claimOf(n, target, end))
  })
  return print(wished)
}

function print(wished: Wished): string[] {
  return [...wished.elements()].map(({ address, end }) => `${address.text} ${end}`).sort()
}
