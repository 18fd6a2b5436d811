/** Orders that are more than a plain block, from the signed envelope to the kernel and back, and over a restart. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { AllowAction, LimitAction } from '#contract/action.ts'
import { acceptingNode } from './accepting.ts'
import { enforceFrom } from './enforcing.ts'
import { block, decision, lift, Sequence, today } from './signer.ts'

const root = mkdtempSync(join(tmpdir(), 'cordon-scoped-'))
after(() => rmSync(root, { recursive: true }))
let count = 0
const fresh = () => join(root, `node-${count++}`)
const ssh = { protocol: 'tcp', ports: ['22'] } as const
const port22 = { ...ssh, ports: ['22'] }
const ends = { direction: 'forward_from', peer: '192.0.2.0/24', peer_interface: 'eth1*' } as const

test('a block of one port is in the kernel as that and no more, and then reported as applied', async () => {
  const node = enforceFrom(fresh())
  node.enforcer.take(new Sequence('all').next([block(7, port22), block(8)]))
  await node.enforcer.settled()
  assert.deepEqual(node.firewall.keys(), ['in_hosts4 203.0.113.8'])
  assert.deepEqual(elements(node), ['drop in 203.0.113.7 tcp 22-22'])
  assert.deepEqual(node.said().sort(), [`${decision(7)} applied 1:1`, `${decision(8)} applied 1:1`])
})

test('a newer action on a decision replaces the older one, from a scope to all and back', async () => {
  const node = enforceFrom(fresh())
  const all = new Sequence('all')
  for (const [action, plain, scoped] of [
    [block(7, port22), [], ['drop in 203.0.113.7 tcp 22-22']],
    [block(7), ['in_hosts4 203.0.113.7'], []],
    [allow(7), [], ['allow in 203.0.113.7 undefined ']],
    [lift(7), [], []],
  ] as const) {
    node.enforcer.take(all.next([action]))
    await node.enforcer.settled()
    assert.deepEqual([node.firewall.keys(), elements(node)], [plain, scoped])
  }
  assert.equal(node.said().at(-1), `${decision(7)} ended 1:4`)
})

test('lifting a plain block leaves the scoped ones on the address, and the other way round', async () => {
  const node = enforceFrom(fresh())
  const all = new Sequence('all')
  const target = '203.0.113.7'
  node.enforcer.take(
    all.next([block(1, { target }), block(2, { target, ...port22 }), limit(3, target)]),
  )
  await node.enforcer.settled()
  node.enforcer.take(all.next([lift(1, target)]))
  await node.enforcer.settled()
  assert.deepEqual(node.firewall.keys(), [])
  assert.equal(elements(node).length, 2)
  node.enforcer.take(all.next([block(4, { target }), lift(2, target)]))
  await node.enforcer.settled()
  assert.deepEqual(node.firewall.keys(), ['in_hosts4 203.0.113.7'])
  assert.deepEqual(elements(node), ['limit in 203.0.113.7 undefined '])
})

test('what changes nothing of the scoped orders does not bring them anew', async () => {
  const node = enforceFrom(fresh())
  const all = new Sequence('all')
  node.enforcer.take(all.next([block(7, port22)]))
  await node.enforcer.settled()
  const before = node.firewall.scopedSet
  node.enforcer.take(all.next([block(8), block(9)]))
  await node.enforcer.settled()
  assert.equal(node.firewall.scopedSet, before)
})

test('a node remembers them over a restart, each as it was', async () => {
  const folder = fresh()
  const before = enforceFrom(folder)
  before.enforcer.take(
    new Sequence('all').next([
      block(7, { ...port22, interface: 'ppp*', response: 'reject', direction: 'forward' }),
      allow(8),
      limit(9, '203.0.113.0/24'),
      block(10, { direction: 'forward' }),
      block(11),
      block(12, { ...port22, ...ends, interface: 'eth0' }),
      { ...allow(13), ...ends, direction: 'forward_to' },
    ]),
  )
  await before.enforcer.settled()
  const after = enforceFrom(folder)
  await after.enforcer.replace()
  assert.deepEqual(after.firewall.scoped, before.firewall.scoped)
  assert.equal(after.firewall.scoped.length, 6)
  const [pair] = after.firewall.scoped.filter(({ way }) => way === 'forward_from')
  assert.deepEqual(
    [pair?.interface, pair?.peer?.text, pair?.peerInterface],
    ['eth0', '192.0.2.0/24', 'eth1*'],
  )
  assert.deepEqual(after.firewall.keys(), before.firewall.keys())
})

test('what this firewall cannot do is refused by receipt, and what stands beside it is enforced', async () => {
  const node = enforceFrom(fresh(), undefined, { scopes: false, reject: false })
  node.enforcer.take(new Sequence('all').next([block(7, port22), allow(8), block(9)]))
  await node.enforcer.settled()
  assert.deepEqual(node.firewall.keys(), ['in_hosts4 203.0.113.9'])
  assert.deepEqual(
    node.answers.map(({ decision: id, status, code }) => [id, status, code]),
    [
      [decision(7), 'refused', 'unsupported'],
      [decision(8), 'refused', 'unsupported'],
      [decision(9), 'applied', undefined],
    ],
  )
})

test('a kernel that refuses scoped orders keeps no plain block out, and nothing is said to be done that is not', async () => {
  const node = enforceFrom(fresh())
  const all = new Sequence('all')
  node.firewall.refusingScoped = true
  node.enforcer.take(all.next([block(7, port22), block(8)]))
  await node.enforcer.settled()
  node.enforcer.take(all.next([block(9)]))
  await node.enforcer.settled()
  assert.deepEqual(node.firewall.keys(), ['in_hosts4 203.0.113.8', 'in_hosts4 203.0.113.9'])
  assert.deepEqual(node.said().sort(), [
    `${decision(7)} failed 1:1`,
    `${decision(8)} applied 1:1`,
    `${decision(9)} applied 1:2`,
  ])
  assert.equal(node.enforcer.problem?.code, 'kernel_refused')
  node.firewall.refusingScoped = false
  await node.enforcer.replace()
  assert.equal(node.said().at(-1), `${decision(7)} applied 1:1`)
  assert.equal(node.enforcer.problem, undefined)
})

test('a whole state brings its scoped orders, and takes away those that are not in it', () => {
  const node = acceptingNode(root)
  const claim = (n: number, scoped = {}) => ({
    ...{ audience: 'all', decision: decision(n), target: `203.0.113.${n}` },
    ...{ direction: 'in' as const, end: today + 600_000, scoped },
  })
  node.load('all', [claim(1), claim(2, { response: 'reject' as const })])
  assert.equal(node.wished.scopes.size, 2)
  node.load('all', [claim(2), claim(3)])
  assert.deepEqual(
    node.wished.scopes.elements().map(({ verdict, address }) => `${verdict} ${address.text}`),
    ['drop 203.0.113.2', 'drop 203.0.113.3'],
  )
  assert.deepEqual(
    node.answered('ended').map((one) => one.decision),
    [decision(1)],
  )
  assert.deepEqual(
    node.onDisk().map((one) => one.decision),
    [decision(2), decision(3)],
  )
  assert.deepEqual(node.onDisk()[0]?.scoped, {})
})

test('of a whole state no more than ten thousand scoped orders are taken, and each of the rest is refused', () => {
  const node = acceptingNode(root)
  const claims = Array.from({ length: 10_003 }, (_, n) => ({
    ...{ audience: 'all', decision: decision(n), target: `198.18.${n >> 8}.${n & 255}` },
    ...{ direction: 'in' as const, end: today + 600_000, scoped: {} },
  }))
  node.load('all', claims)
  assert.equal(node.wished.scopes.size, 10_000)
  assert.deepEqual(
    node.answered('refused').map(({ code }) => code),
    ['ceiling_reached', 'ceiling_reached', 'ceiling_reached'],
  )
})

test('an order that many others overlap is refused, and its older self makes room for a newer one', () => {
  const node = acceptingNode(root)
  const overlapping = (n: number) =>
    block(n, { target: '203.0.113.7', protocol: 'tcp', ports: [`${n}-100`] })
  node.step('all', [1, 2, 3, 4, 5, 6, 7, 8, 9].map(overlapping))
  assert.deepEqual(
    node.answered('refused').map((one) => one.decision),
    [decision(9)],
  )
  node.step('all', [block(8, { target: '203.0.113.7', protocol: 'tcp', ports: ['50'] })])
  assert.equal(node.wished.scopes.size, 8)
  assert.equal(node.answered('applied').length, 8)
})

function allow(n: number): AllowAction {
  return { ...block(n), action: 'allow' }
}

function limit(n: number, target: string): LimitAction {
  const rate = { packets: 5, per: 'second', burst: 10 } as const
  return { ...block(n, { target }), action: 'limit', rate }
}

function elements(node: ReturnType<typeof enforceFrom>): string[] {
  return node.firewall.scoped.map(({ verdict, way, address, protocol, ports }) => {
    const span = ports ? `${ports.low}-${ports.high}` : ''
    return `${verdict} ${way} ${address.text} ${protocol} ${span}`
  })
}
