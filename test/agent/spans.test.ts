/** Which orders about ports of one address one packet can be of: as fast for ten thousand as it is right for a few. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { readAddress } from '#contract/address.ts'
import type { Unplaced } from '../../agent/scope.ts'
import { type ScopedClaim, Scopes } from '../../agent/scopes.ts'
import { Spans } from '../../agent/spans.ts'
import { decision } from './signer.ts'

const address = readAddress('203.0.113.7')
const devices = [undefined, 'eth0', 'eth*', 'ppp0', 'p*'] as const
/** Each device with those that the same packet can come by. */
const meeting = new Map<string, readonly string[]>([
  ['undefined', ['undefined', 'eth0', 'eth*', 'ppp0', 'p*']],
  ['eth0', ['undefined', 'eth0', 'eth*']],
  ['eth*', ['undefined', 'eth0', 'eth*']],
  ['ppp0', ['undefined', 'ppp0', 'p*']],
  ['p*', ['undefined', 'ppp0', 'p*']],
])

const some = fc.record({
  device: fc.constantFrom(...devices),
  protocol: fc.constantFrom('tcp', 'udp'),
  low: fc.nat(12),
  more: fc.nat(3),
  layer: fc.nat(2),
})

test('it is found exactly where port, protocol and interface allow it', () => {
  fc.assert(
    fc.property(
      fc.array(some, { maxLength: 30 }),
      fc.array(fc.nat(29)),
      some,
      (all, gone, asked) => {
        const spans = new Spans()
        const held: typeof all = []
        for (const one of all) {
          if (spans.meets(elementOf(one), one.layer)) continue
          spans.add(elementOf(one), one.layer)
          held.push(one)
        }
        for (const at of gone) {
          const [one] = held.splice(at, 1)
          if (one) spans.delete(elementOf(one), one.layer)
        }
        for (const layer of [0, 1, 2]) {
          const wanted = held.some((one) => one.layer === layer && meet(one, asked))
          assert.equal(spans.meets(elementOf(asked), layer), wanted)
        }
        assert.equal(spans.isEmpty, held.length === 0)
      },
    ),
  )
})

const tcp = { protocol: 'tcp' as const }
const host = (n: number) => `198.18.${n >> 8}.${n & 255}`
for (const [what, at] of [
  ['port', (n: number) => claimOf(n, { scoped: { ...tcp, ports: [`${n * 6}`] } })],
  ['peer', (n: number) => claimOf(n, { scoped: { ...tcp, peer: host(n), ports: ['22'] } })],
  ['target', (n: number) => claimOf(n, { target: host(n), scoped: { peer: '203.0.113.9' } })],
  [
    'target or peer, of networks and hosts',
    (n: number) =>
      n % 2 === 0
        ? claimOf(n, { target: '198.18.0.0/16', scoped: { peer: host(n) } })
        : claimOf(n, { target: host(n), scoped: { peer: '203.0.113.0/24' } }),
  ],
] as const)
  test(`ten thousand orders that differ in their ${what} alone are taken and let go of at once`, () => {
    const scopes = new Scopes()
    const all = Array.from({ length: 10_000 }, (_, n) => at(n))
    const began = performance.now()
    for (const claim of all) {
      const target = readAddress(claim.target)
      assert.ok(scopes.roomWith(claim, target).layered)
      scopes.add(claim, target)
    }
    assert.deepEqual(new Set(scopes.elements().map(({ layer }) => layer)), new Set([0]))
    for (const claim of all) scopes.remove(claim)
    const took = performance.now() - began
    // Compared one by one there would be fifty million pairs.
    assert.ok(took < 10_000, `it took ${Math.round(took)} ms`)
    assert.deepEqual(scopes.elements(), [])
  })

type Some = { device: (typeof devices)[number]; protocol: string; low: number; more: number }

function meet(a: Some, b: Some): boolean {
  const apart = a.low + a.more < b.low || b.low + b.more < a.low
  const devicesMeet = meeting.get(`${a.device}`)?.includes(`${b.device}`) === true
  return a.protocol === b.protocol && devicesMeet && !apart
}

function elementOf({ device, protocol, low, more }: Some): Unplaced {
  const name = protocol === 'tcp' ? 'tcp' : 'udp'
  const ports = { low, high: low + more, side: 'destination' as const }
  return { verdict: 'drop', way: 'in', address, interface: device, protocol: name, ports }
}

function claimOf(n: number, more: Partial<ScopedClaim>): ScopedClaim {
  const plain = { audience: 'all', decision: decision(n), target: address.text, end: 100 }
  return { ...plain, direction: 'in', scoped: {}, ...more }
}
