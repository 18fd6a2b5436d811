/** What a node never blocks, whoever signed. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { type BlockAction, readAction, type StandingAction } from '#contract/action.ts'
import { readAddress } from '#contract/address.ts'
import { protectedHere, refusal } from '../../agent/guard.ts'
import type { Expresses } from '../../agent/kernel/firewall.ts'
import type { ScopedRoom } from '../../agent/scopes.ts'
import { readAgentSettings } from '../../agent/settings.ts'
import { gateways4, gateways6, type Places, readSurroundings } from '../../agent/surroundings.ts'
import { block } from './signer.ts'

const folder = mkdtempSync(join(tmpdir(), 'cordon-guard-'))
after(() => rmSync(folder, { recursive: true }))

const settings = readAgentSettings({
  CORDON_AGENT_ADMIN_NETWORKS: '198.51.100.0/24, 2001:db8:ad::/48',
})
const places = machine()
const surroundings = readSurroundings(places, ['192.0.2.200'], join(folder, 'protect'), () => [
  '192.0.2.10',
])
const here = protectedHere(surroundings, settings)
const able = { scopes: true, reject: true }

describe('refused, with the reason', () => {
  const table: [string, string, RegExp][] = [
    ['127.0.0.1', 'protected_target', /loopback/],
    ['::1', 'protected_target', /loopback/],
    ['fe80::1', 'protected_target', /link-local/],
    ['224.0.0.1', 'protected_target', /special-purpose/],
    ['192.0.2.10', 'protected_target', /address of this node/],
    ['192.0.2.200', 'protected_target', /Cordon service/],
    ['192.0.2.1', 'protected_target', /default gateway/],
    ['2001:db8:1::1', 'protected_target', /default gateway/],
    ['192.0.2.53', 'protected_target', /name server/],
    ['203.0.113.99', 'protected_target', /authenticated login/],
    ['203.0.113.98', 'protected_target', /authenticated login/],
    ['2001:db8:55::9', 'protected_target', /authenticated login/],
    ['198.51.100.7', 'protected_target', /administration/],
    ['2001:db8:ad:1::/64', 'protected_target', /administration/],
    ['203.0.113.128', 'protected_target', /protect file/],
    ['203.0.113.96/28', 'protected_target', /203\.0\.113\.9[89].*authenticated login/],
    ['198.51.0.0/16', 'protected_target', /administration/],
    ['203.0.0.0/15', 'too_wide', /wider than \/16/],
    ['2001:d00::/24', 'too_wide', /wider than \/32/],
  ]
  for (const [target, code, why] of table)
    test(`${target} is ${code}`, () => {
      const problem = judge(target)
      assert.equal(problem?.code, code)
      assert.match(problem?.message ?? '', why)
      assert.ok(problem?.remedy)
    })
})

describe('let through', () => {
  for (const target of [
    '203.0.113.7',
    '203.0.113.0/27',
    '10.1.2.3',
    '2001:db8:66::/64',
    '203.0.113.97',
  ])
    test(target, () => assert.equal(judge(target), undefined))
})

test('a login that failed protects nobody: only sessions and USER_PROCESS records count', () => {
  assert.equal(judge('203.0.113.66'), undefined)
})

const scopes: readonly Partial<BlockAction>[] = [
  { interface: 'eth0' },
  { protocol: 'tcp' },
  { protocol: 'tcp', ports: ['22'] },
  { direction: 'forward' },
  { response: 'reject' },
]

test('a firewall that has no scopes refuses a block for one interface, protocol or port, and never widens it', () => {
  for (const scope of scopes) {
    const problem = about(block(1, scope), { scopes: false, reject: false })
    assert.equal(problem?.code, 'unsupported')
    assert.match(problem?.message ?? '', /no sets of more than addresses/)
    assert.equal(about(block(1, scope)), undefined)
  }
  assert.equal(about(block(1, { response: 'drop' }), { scopes: false, reject: false }), undefined)
})

test('a firewall that cannot reject does not drop instead', () => {
  const problem = about(block(1, { response: 'reject' }), { scopes: true, reject: false })
  assert.equal(problem?.code, 'unsupported')
})

test('no order for one port, interface or rate of a protected address is taken: it may be the one to log in by', () => {
  const rate = { packets: 1, per: 'hour', burst: 1 } as const
  for (const target of ['192.0.2.53', '203.0.113.128/26', '127.0.0.1']) {
    for (const scope of scopes)
      assert.equal(about(block(1, { ...scope, target }))?.code, 'protected_target', target)
    const limit = { ...block(1, { target, protocol: 'tcp', ports: ['22'] }), action: 'limit', rate }
    assert.equal(about(standing(limit))?.code, 'protected_target', target)
  }
})

test('what a router passes on for the network that it is in is its own to stop, but for what else is protected there', () => {
  for (const direction of ['forward', 'forward_from', 'forward_to'] as const) {
    for (const target of ['192.0.2.8/29', '192.0.2.10'])
      assert.equal(about(block(1, { target, direction })), undefined, target)
    for (const target of ['192.0.2.0/24', '192.0.2.53', '127.0.0.1'])
      assert.equal(about(block(1, { target, direction }))?.code, 'protected_target', target)
  }
  for (const direction of ['in', 'out', 'both'] as const)
    assert.match(about(block(1, { target: '192.0.2.8/29', direction }))?.message ?? '', /this node/)
})

test('to allow a protected address changes nothing and is no error', () => {
  assert.equal(
    about(standing({ ...block(1, { target: '192.0.2.53' }), action: 'allow' })),
    undefined,
  )
})

test('nothing wider than a block may be is allowed or limited', () => {
  const rate = { packets: 1, per: 'second', burst: 1 }
  const wide = block(1, { target: '198.0.0.0/8' })
  assert.equal(about(standing({ ...wide, action: 'allow' }))?.code, 'too_wide')
  assert.equal(about(standing({ ...wide, action: 'limit', rate }))?.code, 'too_wide')
})

test('what could only be done in part is refused', () => {
  const rate = { packets: 1, per: 'second', burst: 1 }
  const through = { direction: 'forward', interface: 'eth0' } as const
  const six = { target: '2001:db8:66::1' }
  for (const action of [
    standing({ ...block(1, through), action: 'limit', rate }),
    block(1, { protocol: 'icmpv6' }),
    block(1, { protocol: 'icmp', ...six }),
    block(1, { interface: 'überlänge' }),
    block(1, { direction: 'forward', peer_interface: 'überlänge' }),
  ])
    assert.equal(about(action)?.code, 'unsupported', JSON.stringify(action))
  assert.equal(about(block(1, { protocol: 'icmpv6', ...six })), undefined)
  assert.equal(about(block(1, through)), undefined)
})

test('a limit by an interface is taken where a packet is counted once', () => {
  const rate = { packets: 1, per: 'second', burst: 1 }
  const limit = { ...block(1, { interface: 'eth0' }), action: 'limit', rate }
  for (const more of [
    { direction: 'forward', peer_interface: 'eth1' },
    { direction: 'forward_from' },
    { direction: 'forward_to' },
  ])
    assert.equal(about(standing({ ...limit, ...more })), undefined, more.direction)
})

test('an order about a pair is judged by its target, and what is protected may be the peer', () => {
  const [gateway, attacker] = ['192.0.2.1', '203.0.113.66']
  for (const direction of ['in', 'out', 'both', 'forward', 'forward_from', 'forward_to'] as const) {
    const more = { direction, target: gateway, peer: attacker }
    assert.equal(about(block(1, more))?.code, 'protected_target', direction)
    assert.equal(about(block(1, { direction, target: attacker, peer: gateway })), undefined)
    assert.equal(about(standing({ ...block(1, more), action: 'allow' })), undefined)
  }
})

test('a firewall that lets nothing through to be judged again refuses to allow by the interface it leaves by', () => {
  const refuses = () => 'where a packet leaves is not known'
  const allow = { ...block(1, { direction: 'forward_from' }), action: 'allow' }
  const by = standing({ ...allow, peer_interface: 'eth1' })
  assert.equal(about(by), undefined)
  assert.equal(about(by, { ...able, refuses })?.code, 'unsupported')
})

test('an order with a scope is refused when there are ten thousand, or no layer is left', () => {
  const inForce = { claims: 0, rare: 0 }
  const judged = (scoped: ScopedRoom) =>
    refusal(block(1), readAddress('203.0.113.7'), here, settings, { ...inForce, scoped }, able)
      ?.code
  assert.equal(judged({ claims: 10_000, elements: 1, layered: true }), undefined)
  assert.equal(judged({ claims: 10_001, elements: 1, layered: true }), 'ceiling_reached')
  assert.equal(judged({ claims: 1, elements: 30_001, layered: true }), 'ceiling_reached')
  assert.equal(judged({ claims: 1, elements: 1, layered: false }), 'ceiling_reached')
})

test('one decision more than max_blocks is refused', () => {
  const one = (claims: number) =>
    refusal(
      block(1),
      readAddress('203.0.113.7'),
      here,
      { ...settings, max_blocks: 2 },
      { claims, rare: 0 },
      able,
    )
  assert.equal(one(1), undefined)
  assert.equal(one(2)?.code, 'ceiling_reached')
})

test('a machine without any of those files protects what it can see', () => {
  const none: Places = {
    routes4: '/none',
    routes6: '/none',
    resolvers: ['/none'],
    sessions: '/none',
    utmp: '/none',
  }
  assert.deepEqual(
    readSurroundings(none, [], undefined, () => []),
    [],
  )
})

test('a protect file that cannot be read or understood stops the start', () => {
  assert.throws(() => readSurroundings(places, [], '/none/protect', () => []), {
    code: 'setting_invalid',
  })
  writeFileSync(join(folder, 'wrong'), 'example.com\n')
  assert.throws(() => readSurroundings(places, [], join(folder, 'wrong'), () => []), {
    code: 'setting_invalid',
    message: /"example.com" is no address/,
  })
})

test('only the default route through a gateway names one', () => {
  const head = 'Iface Destination Gateway Flags RefCnt Use Metric Mask\n'
  assert.deepEqual(
    gateways4(
      `${head}eth0 00000000 010200C0 0003 0 0 0 00000000\neth0 000200C0 00000000 0001 0 0 0 00FFFFFF\n`,
    ),
    ['192.0.2.1'],
  )
  assert.deepEqual(
    gateways6(
      `${'0'.repeat(32)} 00 ${'0'.repeat(32)} 00 ${'0'.repeat(32)} ffffffff 1 0 00200200 lo\n`,
    ),
    [],
  )
})

function judge(target: string) {
  return about(block(1, { target }))
}

function about(action: StandingAction, expresses: Expresses = able) {
  const target = readAddress(action.target)
  return refusal(action, target, here, settings, { claims: 0, rare: 0 }, expresses)
}

function standing(entry: unknown): StandingAction {
  const action = readAction(entry)
  assert.ok(action.action !== 'lift')
  return action
}

function machine(): Places {
  const file = (name: string, content: string | Buffer) => {
    writeFileSync(join(folder, name), content)
    return join(folder, name)
  }
  const sessions = join(folder, 'sessions')
  mkdirSync(sessions)
  file('sessions/1', 'UID=0\nREMOTE=1\nREMOTE_HOST=203.0.113.99\nCLASS=user\n')
  file('sessions/2', 'UID=0\nREMOTE_HOST=203.0.113.66\nCLASS=greeter\n')
  file('protect', '# the monitoring\n203.0.113.128/25 # all of it\n\n')
  return {
    routes4: file(
      'route',
      'Iface Destination Gateway Flags\neth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\n',
    ),
    routes6: file(
      'ipv6_route',
      `${'0'.repeat(32)} 00 ${'0'.repeat(32)} 00 20010db8000100000000000000000001 00000400 1 0 00000003 eth0\n`,
    ),
    resolvers: [
      file('resolv', 'search example\nnameserver 192.0.2.53\nnameserver fe80::53%eth0\n'),
      '/none',
    ],
    sessions,
    utmp: file(
      'utmp',
      Buffer.concat([
        record(7, '203.0.113.98'),
        record(6, '203.0.113.66'),
        record(7, '', '20010db8005500000000000000000009'),
      ]),
    ),
  }
}

function record(type: number, host: string, address = ''): Buffer {
  const bytes = Buffer.alloc(384)
  bytes.writeInt16LE(type, 0)
  bytes.write(host, 76, 'latin1')
  Buffer.from(address, 'hex').copy(bytes, 348)
  return bytes
}
