/** Who is allowed for a time passes standing rules too, in a real kernel, and nobody else does. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import { setTimeout as breath } from 'node:timers/promises'
import { promisify } from 'node:util'
import { readAddress } from '#contract/address.ts'
import type { PostureRule } from '#contract/posture.ts'
import type { ScopedElement } from '../../agent/kernel/firewall.ts'
import type { PostureScript } from '../../agent/posture-sets.ts'
import { posture } from '../agent/posture-node.ts'
import {
  delivers,
  type Host,
  host,
  ownNamespace,
  type Party,
  probePort,
  thisNode,
} from '../namespace.ts'
import { legacyTools } from './legacy.ts'
import { element } from './scoped.ts'
import { type BackEnd, tableOf } from './trial-process.ts'

const kernel = await ownNamespace(import.meta.url)
const run = promisify(execFile)

/** Over these the tests check the path itself. */
const open = ['198.51.100.0/24', '2001:db8:ffff::/64']
const networks = { 4: '203.0.113.0/24', 6: '2001:db8:a::/48' } as const
const other = 9

const service = (more: Partial<PostureRule & { rule: 'service' }> = {}): PostureRule => ({
  ...{ rule: 'service', name: 'probe', way: 'node', protocol: 'udp', verdict: 'drop' },
  ports: [String(probePort)],
  ...more,
})

/** `open`: whether it leaves what passes through. */
const closing: {
  why: string
  rules: PostureRule[]
  more?: Parameters<typeof posture>[1]
  open?: boolean
}[] = [
  {
    why: 'a denied country',
    rules: [{ rule: 'country', name: 'not XA', mode: 'deny', countries: ['XA'], way: 'both' }],
    more: { countries: { XA: Object.values(networks) } },
  },
  {
    why: 'the only country',
    rules: [{ rule: 'country', name: 'XB', mode: 'only', countries: ['XB'], way: 'both' }],
    more: { countries: { XB: ['192.0.2.0/24', '2001:db8:c::/48'] } },
  },
  { why: 'a dropped service', rules: [service({ way: 'both' })] },
  { why: 'a rejected service', rules: [service({ way: 'both', verdict: 'reject' })] },
  { why: 'the default', rules: [], more: { default: 'drop' }, open: true },
]

let marks = 0

let attacker: Host
let victim: Host
let node: Party
before(async () => {
  if (kernel.skip) return
  attacker = await host('attacker', ['203.0.113.0/24', '2001:db8:a::/48'])
  victim = await host('victim', ['192.0.2.0/24', '2001:db8:b::/48'])
  node = await thisNode()
})
after(async () => {
  for (const party of [attacker, victim, node]) await party?.close()
})

for (const backEnd of ['nft', 'ipset-legacy', 'ipset-nft'] as const)
  describe(`allowed past standing rules in ${backEnd}`, { skip: skipOf(backEnd) }, () => {
    const table = tableOf(backEnd)
    let stood: string
    beforeEach(async () => {
      stood = await everything()
    })
    afterEach(async () => {
      await table.remove()
      if (backEnd !== 'nft') assert.equal(await everything(), stood, 'nothing stays')
      await run('nft', ['flush', 'ruleset'])
    })

    for (const [family, seven, eight] of [
      [4, '203.0.113.7', '203.0.113.8'],
      [6, '2001:db8:a:1::7', '2001:db8:a:2::7'],
    ] as const)
      describe(`over IPv${family}`, () => {
        const allow = (way: ScopedElement['way'], more: Parameters<typeof element>[3] = {}) =>
          element('allow', way, seven, more)
        const said = async () => ({ seven: await of(seven), eight: await of(eight) })
        const of = async (from: string) => [await comesIn(from), await passes(from)]

        for (const { why, rules, more, open = false } of closing)
          test(`${why} of a standing rule lets in whom it is allowed, until that is lifted`, async () => {
            await table.run(scriptOf(rules, more))
            const before = await said()
            assert.deepEqual(before, { seven: [false, open], eight: [false, open] })
            await table.allow([allow('in')], 0)
            assert.deepEqual(await said(), { seven: [true, true], eight: [false, open] })
            assert.equal(await table.intact(), true)
            await table.allow([], 0)
            assert.deepEqual(await said(), { seven: [false, open], eight: [false, open] })
          })

        test('a rate does not count who is allowed, and what it counted of others is kept', async () => {
          const rate = { packets: 1, per: 'hour', burst: 1 } as const
          await table.run(scriptOf([service({ way: 'both', verdict: 'accept', rate })]))
          assert.deepEqual([await comesIn(eight), await comesIn(eight)], [true, false])
          await table.allow([allow('in')], 0)
          const came: boolean[] = []
          for (let n = 0; n < 3; n++) came.push(await comesIn(seven))
          assert.deepEqual([...came, await comesIn(eight)], [true, true, true, false])
        })

        test('what is allowed to pass through does not come in', async () => {
          for (const way of ['forward', 'forward_from'] as const) {
            await table.run(scriptOf([service({ way: 'both' })]))
            await table.allow([allow(way)], 0)
            assert.deepEqual(await said(), { seven: [false, true], eight: [false, false] }, way)
          }
          await table.allow([allow('forward_to'), allow('out')], 0)
          assert.deepEqual(await said(), { seven: [false, false], eight: [false, false] })
        })

        test('a port, an interface or a peer narrows it', async () => {
          await table.run(scriptOf([], { default: 'drop' }))
          const to = (address: string) => ({ peer: readAddress(address) })
          const own = family === 4 ? node.address4 : node.address6
          const cases: [Parameters<typeof element>[3], boolean][] = [
            [{ port: probePort }, true],
            [{ port: [probePort - 5, probePort + 5] }, true],
            [{ port: other }, false],
            [{ port: probePort, protocol: 'tcp' }, false],
            [{ protocol: 'udp' }, true],
            [{ protocol: 'sctp' }, false],
            [{ interface: 'v-attack*' }, true],
            [{ interface: 'v-victim', port: probePort }, false],
            [to(own), true],
            [{ ...to(own), interface: 'v-attacker', port: probePort }, true],
            [to(family === 4 ? '192.0.2.1' : '2001:db8:b::1'), false],
          ]
          for (const [more, expected] of cases) {
            await table.allow([allow('in', more ?? {})], 0)
            const found = [await comesIn(seven), await comesIn(eight)]
            assert.deepEqual(found, [expected, false], JSON.stringify(more))
          }
        })

        test('both ends of what passes through narrow it', async () => {
          await table.run(scriptOf([service({ way: 'forwarded' })]))
          const peer = readAddress(family === 4 ? '192.0.2.1' : '2001:db8:b::1')
          const cases: [Parameters<typeof element>[3], boolean][] = [
            [{ interface: 'v-attacker', peerInterface: 'v-victim', peer }, true],
            [{ interface: 'v-attacker', peerInterface: 'v-vic*', peer, port: probePort }, true],
            [{ interface: 'v-attacker', peerInterface: 'v-attacker', peer }, false],
            [{ peer, port: other }, false],
            [{ port: probePort }, true],
          ]
          for (const [more, expected] of cases) {
            await table.allow([allow('forward_from', more ?? {})], 0)
            const found = [await passes(seven), await passes(eight)]
            assert.deepEqual(found, [expected, false], JSON.stringify(more))
          }
        })

        test('what is translated is known by the address and the port that were addressed', async () => {
          const [ip, to] = family === 4 ? ['ip', '192.0.2.1'] : ['ip6', '[2001:db8:b::1]']
          const own = family === 4 ? node.address4 : node.address6
          const published = 4_443
          await run('nft', [
            `table ${ip} publish { chain pre { type nat hook prerouting priority dstnat; ${ip} daddr ${own} udp dport ${published} dnat to ${to}:${probePort}; }; }`,
          ])
          await table.run(scriptOf([], { default: 'drop' }))
          const socket = family === 4 ? 'AF_INET' : 'AF_INET6'
          const python = `import socket,sys
for n in (1,2):
  s=socket.socket(socket.${socket},socket.SOCK_DGRAM)
  s.bind((sys.argv[n],0))
  s.sendto((sys.argv[n]+' '+sys.argv[3]).encode(),('${own}',${published}))`
          const come = async () => {
            const mark = `published ${backEnd} ${++marks}`
            await attacker.run('python3', '-c', python, seven, eight, mark)
            assert.ok(await delivers(attacker, attacker.address4, victim, victim.address4))
            return Promise.all([seven, eight].map((from) => victim.arrived(`${from} ${mark}`, 30)))
          }
          const cases: [Parameters<typeof element>[3], boolean][] = [
            [{ port: published }, true],
            [{ port: probePort }, false],
            [{ peer: readAddress(own), port: published }, true],
            [{ peer: readAddress(own) }, true],
            [{ peer: readAddress(to.replaceAll(/[[\]]/g, '')) }, false],
          ]
          for (const [more, expected] of cases) {
            await table.allow([allow('in', more ?? {})], 0)
            assert.deepEqual(await come(), [expected, false], JSON.stringify(more))
          }
        })

        test('it is there from the first moment, and ends by the clock of the kernel alone', async () => {
          const ends = { end: 2_000 }
          const orders = [allow('in', ends), allow('forward', { ...ends, port: probePort })]
          await table.run({ ...scriptOf([], { default: 'drop' }), allowed: orders })
          assert.deepEqual(await comesIn(seven), true)
          await until(async () => !(await comesIn(seven)), 8)
          assert.equal(await table.intact(), true, 'that its time is over is nobody’s change')
        })

        test('both sides of a trial let it pass, and so does what is confirmed', async () => {
          const script = scriptOf([service({ name: 'tried', way: 'both' })])
          const standing = scriptOf([service({ name: 'before', way: 'both' })]).postures
          await table.run({ ...script, before: standing })
          await table.allow([allow('in', { port: probePort })], 0)
          const lets = { seven: [true, true], eight: [false, false] }
          assert.deepEqual(await said(), lets, 'before it is opened')
          await table.open(60)
          assert.deepEqual(await said(), lets)
          await table.allow([allow('in')], 0)
          assert.deepEqual(await said(), lets)
          await table.confirm()
          assert.deepEqual(await said(), lets)
          await table.allow([], 0)
          assert.deepEqual(await said(), { seven: [false, false], eight: [false, false] })
          assert.equal(await table.intact(), true)
        })
      })

    test('networks within one another, and many kinds of it, come and go', async () => {
      await table.run(scriptOf([], { default: 'drop' }))
      const wide = element('allow', 'in', '203.0.113.0/24', { layer: 0 })
      const narrow = element('allow', 'in', '203.0.113.8/29', { layer: 1, end: 600_000 })
      await table.allow([wide, narrow], 0)
      assert.deepEqual([await comesIn('203.0.113.7'), await comesIn('203.0.113.8')], [true, true])
      await table.allow([narrow, element('allow', 'in', '2001:db8:a:1::/64', { port: other })], 0)
      assert.deepEqual([await comesIn('203.0.113.7'), await comesIn('203.0.113.8')], [false, true])
      assert.deepEqual(await comesIn('2001:db8:a:1::7'), false)
      assert.equal(await table.intact(), true)
    })

    test('a table that somebody changed is not taken for whole', async () => {
      await table.run(scriptOf([], { default: 'drop' }))
      if (backEnd === 'nft') await run('nft', ['flush', 'chain', 'inet', 'cordon_posture', 'node'])
      else await run(`iptables${backEnd.replace('ipset', '')}`, ['-F', 'CORDON_POSTURE_NODE'])
      await assert.rejects(
        table.allow([element('allow', 'in', '203.0.113.7')], 0),
        /somebody changed/,
      )
    })

    async function everything(): Promise<string> {
      return backEnd === 'nft' ? '' : (await run('ipset', ['list', '-n'])).stdout
    }
  })

function scriptOf(
  rules: readonly PostureRule[],
  more: Parameters<typeof posture>[1] = {},
): PostureScript {
  const made = posture(rules, more)
  return {
    postures: [{ audience: 'all', version: 1, posture: made.posture }],
    networks: ({ country }) => (more.countries?.[country] ?? []).map(readAddress),
    here: open.map((network) => ({ address: readAddress(network), why: 'administration' })),
    now: 0,
  }
}

function comesIn(from: string): Promise<boolean> {
  return delivers(attacker, from, node, from.includes(':') ? node.address6 : node.address4)
}

function passes(from: string): Promise<boolean> {
  return delivers(attacker, from, victim, from.includes(':') ? '2001:db8:b::1' : '192.0.2.1')
}

function skipOf(backEnd: BackEnd): string | false {
  if (backEnd === 'nft') return kernel.skip
  return kernel.skipLarge || legacyTools(backEnd === 'ipset-legacy' ? '-legacy' : '-nft').skip
}

async function until(so: () => Promise<boolean>, seconds: number): Promise<void> {
  for (const end = performance.now() + seconds * 1_000; performance.now() < end; ) {
    if (await so()) return
    await breath(50)
  }
  assert.fail('it never came to that')
}
