/** What is said of an allow beside a block, held against every packet: nothing that is stopped is said to pass. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { Direction, isForwarding } from '#contract/action.ts'
import { contains, readAddress } from '#contract/address.ts'
import type { Narrowing } from '../../actions/decide/measure.ts'
import { exempts, touches } from '../../actions/flow/exempt.ts'
import type { Decision } from '../../actions/store/decisions.ts'
import { waiting } from '../notice/stage.ts'

type Packet = {
  place: 'in' | 'out' | 'through'
  src: string
  dst: string
  iif: string
  oif: string
  protocol: string
  sport: string
  dport: string
}

const hosts = ['198.51.100.1', '198.51.100.2', '192.0.2.1', '192.0.2.2']
const interfaces = ['eth0', 'ppp0']
const packets: Packet[] = []
for (const place of ['in', 'out', 'through'] as const)
  for (const src of hosts)
    for (const dst of hosts)
      for (const iif of interfaces)
        for (const oif of interfaces)
          for (const protocol of ['tcp', 'udp'])
            for (const sport of ['22', '80'])
              for (const dport of ['22', '80'])
                packets.push({ place, src, dst, iif, oif, protocol, sport, dport })

const narrowing: fc.Arbitrary<Narrowing> = fc.record(
  {
    interface: fc.constantFrom('eth0', 'ppp0', 'ppp*'),
    peer: fc.constantFrom('192.0.2.1', '192.0.2.0/24', '198.51.100.2'),
    peer_interface: fc.constantFrom('eth0', 'ppp0', 'ppp*'),
    protocol: fc.constantFrom('tcp', 'udp'),
    ports: fc.constantFrom(['22'], ['80'], ['22', '80']),
  },
  { requiredKeys: [] },
)

const decision = (action: 'allow' | 'block'): fc.Arbitrary<Decision> =>
  fc
    .record({
      direction: fc.constantFrom(...Direction.options),
      target: fc.constantFrom('198.51.100.1', '198.51.100.0/24'),
      scope: narrowing,
    })
    .filter(isMeant)
    .map((more) => ({ ...waiting, audience: ['all'], measure: { action }, ...more }))

/** Mostly such that the block names all that the allow does, and perhaps more, of the same way or another. */
const pairs = fc
  .tuple(decision('allow'), decision('block'), fc.constantFrom('own', 'more', 'same'), fc.boolean())
  .map(([allow, block, scope, sameWay]): [Decision, Decision] => {
    const scopes = { own: block.scope, more: { ...block.scope, ...allow.scope }, same: allow.scope }
    const { direction } = sameWay ? allow : block
    return [allow, { ...block, direction, scope: scopes[scope] }]
  })
  .filter(([, block]) => isMeant(block))

/** What an order may say at all. */
function isMeant({ direction, scope }: Pick<Decision, 'direction' | 'scope'>): boolean {
  const fits = isForwarding(direction) || scope.peer_interface === undefined
  return fits && (scope.ports === undefined || scope.protocol !== undefined)
}

describe('an allow beside a block', () => {
  test('that is said to take all effect from it matches every packet that the block does', () => {
    let said = 0
    fc.assert(
      fc.property(pairs, ([allow, block]) => {
        const whole = exempts(allow, block) && within(block.target, allow.target)
        if (!whole) return
        said++
        for (const packet of packets)
          for (const side of sides)
            if (matches(block, packet, side))
              assert.ok(matches(allow, packet, side), `${side} ${JSON.stringify(packet)}`)
      }),
      { numRuns: 2_000 },
    )
    assert.ok(said > 20)
  })

  test('that is said not to touch it matches no packet that the block does', () => {
    let said = 0
    fc.assert(
      fc.property(pairs, ([allow, block]) => {
        if (touches(allow, block)) return
        said++
        for (const packet of packets)
          for (const side of sides)
            assert.ok(
              !(matches(block, packet, side) && matches(allow, packet, side)),
              `${side} ${JSON.stringify(packet)}`,
            )
      }),
      { numRuns: 1_000 },
    )
    assert.ok(said > 20)
  })
})

/** As coming from the target or going to it: what is allowed there passes where it is stopped for the same. */
const sides = ['from', 'to'] as const

/** By the words of the contract, without a look at how the service compares orders. */
function matches(order: Decision, packet: Packet, side: (typeof sides)[number]): boolean {
  const { direction, target, measure, scope } = order
  const { place, src, dst, iif, oif, sport, dport } = packet
  const none = side === 'from' ? ['out', 'forward_to'] : ['in', 'forward_from']
  if (none.includes(direction ?? '') || place === (side === 'from' ? 'out' : 'in')) return false
  if (isForwarding(direction) && place !== 'through') return false
  const [mine, theirs, near, far] = side === 'from' ? [src, dst, iif, oif] : [dst, src, oif, iif]
  const either = direction === 'forward' && scope.peer_interface === undefined
  const answers = measure.action === 'allow' && direction === 'both' && side === 'to'
  return (
    within(mine, target) &&
    (scope.peer === undefined || within(theirs, scope.peer)) &&
    (fits(scope.interface, near) || (either && fits(scope.interface, far))) &&
    fits(scope.peer_interface, far) &&
    (scope.protocol === undefined || scope.protocol === packet.protocol) &&
    (scope.ports?.includes(dport) || (answers && scope.ports?.includes(sport)) || !scope.ports)
  )
}

function fits(pattern: string | undefined, name: string): boolean {
  if (pattern === undefined) return true
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern
}

function within(inner: string | null, outer: string | null): boolean {
  return contains(readAddress(outer ?? ''), readAddress(inner ?? ''))
}
