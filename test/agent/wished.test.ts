/** What is wished, and the changes that make the kernel hold exactly that. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import type { Direction } from '#contract/action.ts'
import { readAddress } from '#contract/address.ts'
import { Differences } from '../../agent/differences.ts'
import { elementKey, isRare, plan, setOf } from '../../agent/plan.ts'
import { type Claim, Wished } from '../../agent/wished.ts'
import { MemoryFirewall } from './memory-firewall.ts'
import { decision } from './signer.ts'

const minute = 60_000

/** Hosts, common networks and networks of rare lengths, nested in each other, in both families. */
const target = fc.constantFrom(
  '203.0.113.7',
  '203.0.113.8',
  '203.0.113.0/24',
  '203.0.113.0/25',
  '203.0.113.0/26',
  '203.0.113.64/26',
  '203.0.112.0/22',
  '198.51.100.0/27',
  '2001:db8::7',
  '2001:db8::/64',
  '2001:db8::/60',
  '2001:db8::/56',
)
const direction = fc.constantFrom<Direction>('in', 'out', 'both')
const audience = fc.constantFrom('all', 'group/web', 'node/web-01')

type Step =
  | { kind: 'add'; claim: Claim }
  | { kind: 'remove'; audience: string; decision: string }
  | { kind: 'pass'; ms: number }
  | { kind: 'confirm' }

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant('add' as const),
    claim: fc.record({
      audience,
      decision: fc.nat(8).map(decision),
      target,
      direction,
      end: fc.integer({ min: 1, max: 20 * minute }),
    }),
  }),
  fc.record({ kind: fc.constant('remove' as const), audience, decision: fc.nat(8).map(decision) }),
  fc.record({ kind: fc.constant('pass' as const), ms: fc.nat(3 * minute) }),
  fc.record({ kind: fc.constant('confirm' as const) }),
)

/** What the hash sets must hold, said the slow way: every address on its own, from every claim. */
function expected(claims: readonly Claim[], now: number): Map<string, number> {
  const ends = new Map<string, number>()
  for (const { target, direction: to, end } of claims)
    for (const way of ['in', 'out'] as const) {
      if (to !== way && to !== 'both') continue
      const address = readAddress(target)
      const key = elementKey(setOf(address, way), address)
      if (!isRare(address) && end > now) ends.set(key, Math.max(end, ends.get(key) ?? 0))
    }
  return ends
}

const inHashSet = (key: string) => !key.includes('rare')

describe('what is wished', () => {
  test('after any history the kernel holds exactly the latest end of every address', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const wished = new Wished()
        const differences = new Differences(wished, () => {})
        const firewall = new MemoryFirewall()
        const model = new Map<string, Claim>()
        let now = 0
        const settle = async () => {
          while (wished.removeEnded(now, differences.note));
          for (const [key, claim] of model) if (claim.end <= now) model.delete(key)
          const { changes } = differences.take(now)
          await firewall.apply(changes)
          for (const change of changes) {
            const key = elementKey(change.set, change.address)
            if (change.op === 'put') held.set(key, now + change.timeoutMs)
            else held.delete(key)
          }
        }
        const held = new Map<string, number>()
        const ends = new Map<string, number>()
        for (const one of steps) {
          if (one.kind === 'add') {
            const claim = { ...one.claim, end: now + one.claim.end }
            wished.add(claim, readAddress(claim.target), differences.note)
            model.set(`${claim.audience} ${claim.decision}`, claim)
          } else if (one.kind === 'remove') {
            wished.remove(one.audience, one.decision, differences.note)
            model.delete(`${one.audience} ${one.decision}`)
          } else if (one.kind === 'pass') {
            now += one.ms
          } else await settle()
        }
        await settle()
        const want = expected([...model.values()], now)
        assert.deepEqual(firewall.keys().filter(inHashSet), [...want.keys()].sort())
        for (const { set, address, end } of wished.elements())
          ends.set(elementKey(set, address), end)
        assert.deepEqual(firewall.keys(), [...ends.keys()].sort())
        assert.deepEqual([...held].sort(), [...ends].sort())
        assert.deepEqual([...ends].filter(([key]) => inHashSet(key)).sort(), [...want].sort())
        assert.equal(wished.countElements(), ends.size)
        assert.equal(wished.size, model.size)
      }),
      { numRuns: 300 },
    )
  })

  test('the next end is that of the claim which ends first, whatever was replaced', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(20), fc.integer({ min: 1, max: 1_000 }))), (adds) => {
        const wished = new Wished()
        const model = new Map<string, number>()
        for (const [n, end] of adds) {
          add(wished, n, '203.0.113.7', end)
          model.set(decision(n), end)
        }
        assert.equal(wished.nextEnd(), model.size === 0 ? undefined : Math.min(...model.values()))
        const order: number[] = []
        for (
          let one = wished.removeEnded(1_000, () => {});
          one;
          one = wished.removeEnded(1_000, () => {})
        )
          order.push(one.end)
        assert.deepEqual(
          order,
          [...model.values()].sort((a, b) => a - b),
        )
      }),
    )
  })

  test('of two decisions on one address either may be lifted and the other holds to its end', () => {
    for (const lifted of [1, 2]) {
      const wished = new Wished()
      add(wished, 1, '203.0.113.7', 10 * minute)
      add(wished, 2, '203.0.113.7', 30 * minute)
      wished.remove('all', decision(lifted), () => {})
      assert.equal(endOf(wished, '203.0.113.7'), lifted === 1 ? 30 * minute : 10 * minute)
    }
  })

  test('a longer block extends, a shorter one of another decision does not shorten', () => {
    const wished = new Wished()
    add(wished, 1, '203.0.113.7', 10 * minute)
    add(wished, 2, '203.0.113.7', 30 * minute)
    add(wished, 3, '203.0.113.7', 1 * minute)
    assert.equal(endOf(wished, '203.0.113.7'), 30 * minute)
  })

  test('a newer action on the same decision shortens its block', () => {
    const wished = new Wished()
    add(wished, 1, '203.0.113.7', 30 * minute)
    add(wished, 1, '203.0.113.7', 5 * minute)
    assert.equal(endOf(wished, '203.0.113.7'), 5 * minute)
    assert.equal(wished.size, 1)
  })

  test('the same decision in two audiences is two claims, and lifting one leaves the other', () => {
    const wished = new Wished()
    add(wished, 1, '203.0.113.7', 10 * minute)
    wished.add(
      { ...claim(1, '203.0.113.7', 20 * minute), audience: 'group/web' },
      readAddress('203.0.113.7'),
      () => {},
    )
    wished.remove('group/web', decision(1), () => {})
    assert.equal(endOf(wished, '203.0.113.7'), 10 * minute)
  })

  test('a host inside a blocked network has its own element', () => {
    const wished = new Wished()
    add(wished, 1, '203.0.113.0/24', 10 * minute)
    add(wished, 2, '203.0.113.7', 30 * minute)
    assert.deepEqual(
      [...wished.elements()].map(({ set }) => set),
      ['in_nets4_24', 'in_hosts4'],
    )
  })
})

describe('the plan', () => {
  const elements = fc
    .uniqueArray(
      fc.tuple(
        target.filter((text) => !text.match(/\/(22|25|26|27|56|60)$/)),
        fc.constantFrom('in', 'out'),
        fc.nat(20 * minute),
      ),
      {
        selector: ([text, way]) => `${way} ${text}`,
      },
    )
    .map((rows) => {
      const wished = new Wished()
      rows.forEach(([text, way, end], n) => {
        wished.add(
          { ...claim(n, text, end), direction: way === 'in' ? 'in' : 'out' },
          readAddress(text),
          () => {},
        )
      })
      return new Map([...wished.elements()].map((one) => [elementKey(one.set, one.address), one]))
    })

  test('applied to what the kernel holds gives what is wished', async () => {
    await fc.assert(
      fc.asyncProperty(elements, elements, fc.nat(10 * minute), async (held, wished, now) => {
        const firewall = new MemoryFirewall()
        await firewall.apply(plan(new Map(), held, 0))
        await firewall.apply(plan(held, wished, now))
        const live = [...wished].filter(([, one]) => one.end > now)
        assert.deepEqual(firewall.keys(), live.map(([key]) => key).sort())
      }),
    )
  })

  test('from what is wished to what is wished is no change at all', () => {
    fc.assert(fc.property(elements, (same) => assert.deepEqual(plan(same, same, 0), [])))
  })
})

function claim(n: number, text: string, end: number): Claim {
  return { audience: 'all', decision: decision(n), target: text, direction: 'in', end }
}

function add(wished: Wished, n: number, text: string, end: number): void {
  wished.add(claim(n, text, end), readAddress(text), () => {})
}

function endOf(wished: Wished, text: string): number {
  return wished.elementsOf(readAddress(text)).find(({ set }) => set.startsWith('in'))?.end ?? 0
}
