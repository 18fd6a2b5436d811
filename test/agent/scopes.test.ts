/** Scoped orders in layers: what overlaps stands apart, and nothing that is wished is missing. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import fc from 'fast-check'
import { readAddress } from '#contract/address.ts'
import { layers, type ScopedElement } from '../../agent/kernel/firewall.ts'
import type { Scoped } from '../../agent/scope.ts'
import { type ScopedClaim, Scopes } from '../../agent/scopes.ts'
import { decision } from './signer.ts'

const rate = { packets: 5, per: 'second', burst: 10 } as const

describe('at any time', () => {
  test('no packet is of two elements of one layer, and each order is there until its end', () => {
    fc.assert(
      fc.property(fc.array(step(), { maxLength: 60 }), (steps) => {
        const scopes = new Scopes()
        const held = new Map<string, ScopedClaim>()
        for (const one of steps) {
          const older = held.get(one.decision)
          if (older) scopes.remove(older)
          held.delete(one.decision)
          if (one.gone) continue
          const claim = claimOf(one.decision, one)
          const address = readAddress(claim.target)
          if (!scopes.roomWith(claim, address).layered) continue
          scopes.add(claim, address)
          held.set(one.decision, claim)
        }
        const elements = scopes.elements()
        assert.equal(elements.length, scopes.countElements)
        assert.equal(scopes.size, held.size)
        for (const packet of packets) {
          const seen = new Set<string>()
          for (const element of elements.filter((one) => is(one, packet))) {
            const { verdict, way, protocol, ports, layer } = element
            const { interface: device, peer, peerInterface } = element
            const ends = [device, peer, peerInterface].map((end) => end === undefined)
            const place = [verdict, way, ends, protocol === undefined, ports?.side]
            const name = `${place} ${layer}`
            assert.ok(!seen.has(name), `two of ${name} for ${JSON.stringify(packet)}`)
            seen.add(name)
          }
        }
        for (const claim of held.values()) mustBeThere(claim, elements)
        for (const claim of held.values()) scopes.remove(claim)
        assert.deepEqual(scopes.elements(), [])
      }),
    )
  })
})

test('what several decisions say alike is one element until the latest end', () => {
  const scopes = new Scopes()
  const first = add(scopes, 1, { end: 100, scoped: { protocol: 'tcp', ports: ['22', '80'] } })
  add(scopes, 2, { end: 300, scoped: { protocol: 'tcp', ports: ['22'] } })
  assert.deepEqual(scopes.elements().map(printed), [
    'drop in tcp 22-22 until 300 in 0',
    'drop in tcp 80-80 until 100 in 0',
  ])
  scopes.remove(first)
  assert.deepEqual(scopes.elements().map(printed), ['drop in tcp 22-22 until 300 in 0'])
})

test('ranges that touch or overlap are one, in whatever order they are named', () => {
  const scopes = new Scopes()
  add(scopes, 1, { scoped: { protocol: 'tcp', ports: ['90-100', '22', '80-89', '95-99', '23'] } })
  assert.deepEqual(scopes.elements().map(printed), [
    'drop in tcp 22-23 until 100 in 0',
    'drop in tcp 80-100 until 100 in 0',
  ])
})

test('two rates on the same traffic both hold, each to its own end, so the stricter one wins', () => {
  const scopes = new Scopes()
  add(scopes, 1, { end: 100, scoped: { action: 'limit', rate: { ...rate, packets: 1 } } })
  add(scopes, 2, { end: 300, scoped: { action: 'limit', rate } })
  add(scopes, 3, { end: 400, scoped: { action: 'limit', rate } })
  assert.deepEqual(
    scopes.elements().map(({ limit, end, layer }) => [limit?.rate.packets, end, layer]),
    [
      [1, 100, 0],
      [5, 400, 1],
    ],
  )
})

test('all ports and both directions of a limit are counted together, and another limit apart', () => {
  const scopes = new Scopes()
  add(scopes, 1, {
    direction: 'both',
    scoped: { action: 'limit', rate, protocol: 'tcp', ports: ['22', '80'] },
  })
  const names = new Set(scopes.elements().map(({ limit }) => limit?.name))
  assert.deepEqual([scopes.countElements, names.size], [4, 1])
  add(scopes, 2, { target: '203.0.113.8', scoped: { action: 'limit', rate } })
  assert.equal(new Set(scopes.elements().map(({ limit }) => limit?.name)).size, 2)
})

test('what is allowed by its port both ways is answered from that port, and nobody gets in by asking from it', () => {
  const scopes = new Scopes()
  add(scopes, 1, { direction: 'both', scoped: { action: 'allow', protocol: 'tcp', ports: ['22'] } })
  assert.deepEqual(
    scopes.elements().map(({ way, ports }) => `${way} ${ports?.side}`),
    ['in destination', 'out destination', 'out source'],
  )
})

test('as many orders as there are layers may overlap, and the next is refused until one goes', () => {
  const scopes = new Scopes()
  const held = Array.from({ length: layers }, (_, n) =>
    add(scopes, n, { scoped: { protocol: 'tcp', ports: [`${n}-1000`] } }),
  )
  const next = claimOf(decision(99), { scoped: { protocol: 'tcp', ports: ['500-600'] } })
  const address = readAddress(next.target)
  assert.equal(scopes.roomWith(next, address).layered, false)
  assert.throws(() => scopes.add(next, address), { code: 'ceiling_reached' })
  assert.equal(scopes.size, layers)
  const [, gone] = held
  assert.ok(gone)
  scopes.remove(gone)
  scopes.add(next, address)
  assert.equal(scopes.elements().find(({ ports }) => ports?.low === 500)?.layer, 1)
})

test('what takes two keys in the kernel is apart also where only its interfaces are others', () => {
  const scopes = new Scopes()
  const whole = { peer: '2001:db8:2::1', protocol: 'tcp', interface: 'eth0' } as const
  const order = (n: number, scoped: Scoped, target: string) =>
    add(scopes, n, { target, direction: 'forward_from', scoped })
  order(1, { ...whole, peer_interface: 'eth1' }, '2001:db8::7')
  order(2, { ...whole, peer_interface: 'eth2' }, '2001:db8::7')
  order(3, { ...whole, peer_interface: 'eth2', peer: '2001:db8:3::1' }, '2001:db8::7')
  const one = { protocol: 'tcp', peer: '192.0.2.1', interface: 'eth0' } as const
  order(4, { ...one, peer_interface: 'eth1' }, '203.0.113.7')
  order(5, { ...one, peer_interface: 'eth2' }, '203.0.113.7')
  assert.deepEqual(
    scopes.elements().map(({ layer }) => layer),
    [0, 1, 0, 0, 0],
  )
})

type Packet = {
  way: string
  host: string
  device: string
  peer: string
  peerDevice: string
  protocol: string
  port: number
}

const hosts = ['203.0.113.7', '203.0.113.130', '198.51.100.1', '2001:db8::7', '2001:db8:1::1']
const devices = ['eth0', 'eth1', 'ppp0']
const others = ['192.0.2.1', '192.0.2.130', '2001:db8:2::1', '2001:db8:3::1']
const packets: Packet[] = ['in', 'out', 'forward', 'forward_from', 'forward_to'].flatMap((way) =>
  hosts.flatMap((host) =>
    others
      .filter((peer) => peer.includes(':') === host.includes(':'))
      .flatMap((peer) =>
        devices.flatMap((device) =>
          ['eth1', 'ppp1'].flatMap((peerDevice) =>
            ['tcp', 'udp'].flatMap((protocol) =>
              [0, 21, 22, 80, 65_535].map((port) => ({
                ...{ way, host, device, peer, peerDevice, protocol, port },
              })),
            ),
          ),
        ),
      ),
  ),
)

/** Whether the packet is of the element, worked out the simple way. */
function is(element: ScopedElement, packet: Packet): boolean {
  const { way, host, device, protocol, port, peer, peerDevice } = packet
  const { address, ports } = element
  return (
    element.way === way &&
    isIn(address, host) &&
    (element.peer === undefined || isIn(element.peer, peer)) &&
    fits(element.interface, device) &&
    fits(element.peerInterface, peerDevice) &&
    (element.protocol === undefined || element.protocol === protocol) &&
    (!ports || (ports.low <= port && port <= ports.high))
  )
}

const known = new Map<string, string>()
/** Read once each: a packet is held against every element. */
function isIn({ family, prefix, text }: ScopedElement['address'], host: string): boolean {
  if (host.includes(':') !== (family === 6)) return false
  const around = prefix === (family === 4 ? 32 : 128) ? host : `${host}/${prefix}`
  const found = known.get(around) ?? readAddress(around).text
  known.set(around, found)
  return found === text
}

function fits(pattern = '*', device: string): boolean {
  return pattern.endsWith('*') ? device.startsWith(pattern.slice(0, -1)) : device === pattern
}

function mustBeThere({ target, direction, scoped, end }: ScopedClaim, elements: ScopedElement[]) {
  const ways = direction === 'both' ? ['in', 'out'] : [direction]
  const verdict = scoped.action ?? scoped.response ?? 'drop'
  const wanted = elements.filter(
    (one) =>
      one.verdict === verdict &&
      one.address.text === target &&
      one.interface === scoped.interface &&
      one.peer?.text === scoped.peer &&
      one.peerInterface === scoped.peer_interface &&
      one.protocol === scoped.protocol &&
      one.ports?.side !== 'source' &&
      one.end >= end &&
      JSON.stringify(one.limit?.rate) === JSON.stringify(scoped.rate),
  )
  for (const way of ways)
    for (const text of scoped.ports ?? ['any']) {
      const [low = 0, high = low] = text.split('-').map(Number)
      const there = wanted.some(
        (one) =>
          one.way === way &&
          (text === 'any'
            ? !one.ports
            : one.ports && one.ports.low <= low && high <= one.ports.high),
      )
      assert.ok(there, `${target} ${way} ${text}`)
    }
}

function step() {
  const target = fc.constantFrom(
    '203.0.113.7',
    '203.0.113.0/24',
    '203.0.113.128/25',
    '203.0.0.0/16',
    '2001:db8::7',
    '2001:db8::/32',
    '2001:db8:1::/48',
  )
  const ports = fc.constantFrom('22', '21-23', '0-65535', '80', '22-80', '65535')
  const named = fc.record({
    protocol: fc.constantFrom('tcp' as const, 'udp' as const),
    ports: fc.uniqueArray(ports, { minLength: 1, maxLength: 3 }),
  })
  const what = fc.oneof(
    fc.constant({}),
    fc.constant({ action: 'allow' as const }),
    fc.constant({ response: 'reject' as const }),
    fc
      .constantFrom(1, 2)
      .map((packets) => ({ action: 'limit' as const, rate: { ...rate, packets } })),
  )
  const where = fc.record(
    { interface: fc.constantFrom('eth0', 'eth*', 'e*', 'ppp*', 'ppp0') },
    { requiredKeys: [] },
  )
  const ends4 = fc.constantFrom('192.0.2.1', '192.0.2.0/24', '192.0.0.0/16')
  const ends6 = fc.constantFrom('2001:db8:2::1', '2001:db8:2::/48', '2001:db8::/32')
  const across = fc.record(
    { peer_interface: fc.constantFrom('eth1', 'eth*', 'ppp1') },
    { requiredKeys: [] },
  )
  const which = fc.oneof(fc.constant({}), fc.constant({ protocol: 'tcp' as const }), named)
  const scoped = fc
    .tuple(what, where, which)
    .map(([one, two, three]): Scoped => ({ ...one, ...two, ...three }))
  const passing = fc.constantFrom(
    'forward' as const,
    'forward_from' as const,
    'forward_to' as const,
  )
  const plain = {
    decision: fc.nat(20).map(decision),
    gone: fc.integer({ min: 0, max: 4 }).map((n) => n === 0),
    end: fc.integer({ min: 1, max: 500 }),
  }
  const direction = fc.constantFrom(
    'in' as const,
    'out' as const,
    'both' as const,
    'forward' as const,
  )
  const to = (peers: fc.Arbitrary<string>, targets: fc.Arbitrary<string>) =>
    fc.record({
      ...{ ...plain, target: targets, direction: passing },
      scoped: fc
        .tuple(scoped, across, peers)
        .map(([one, two, peer]): Scoped => ({ ...one, ...two, peer })),
    })
  const is6 = (text: string) => text.includes(':')
  return fc.oneof(
    fc.record({ ...plain, target, direction, scoped }),
    to(
      ends4,
      target.filter((text) => !is6(text)),
    ),
    to(ends6, target.filter(is6)),
  )
}

function claimOf(id: string, more: Partial<ScopedClaim>): ScopedClaim {
  const { target = '203.0.113.7', direction = 'in', end = 100, scoped = {} } = more
  return { audience: 'all', decision: id, target, direction, end, scoped }
}

function add(scopes: Scopes, n: number, more: Partial<ScopedClaim>): ScopedClaim {
  const claim = claimOf(decision(n), more)
  scopes.add(claim, readAddress(claim.target))
  return claim
}

function printed({ verdict, way, protocol, ports, end, layer }: ScopedElement): string {
  return `${verdict} ${way} ${protocol} ${ports?.low}-${ports?.high} until ${end} in ${layer}`
}
