/** Both ends of a packet in iptables, with real packets: what is judged twice, translated on the way, or counted together. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { after, before, beforeEach, describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { readAddress } from '#contract/address.ts'
import type { Firewall, ScopedElement } from '../../agent/kernel/firewall.ts'
import { ipsetFirewall } from '../../agent/kernel/ipset.ts'
import { ipsetProgram } from '../../agent/kernel/ipset-program.ts'
import { type Iptables, iptablesProgram } from '../../agent/kernel/iptables-program.ts'
import { delivers, type Host, host, ownNamespace, type Party, thisNode } from '../namespace.ts'
import { legacyTools } from './legacy.ts'
import { put } from './promises.ts'
import { element, rate } from './scoped.ts'

const kernel = await ownNamespace(import.meta.url)
const places = [
  {
    family: 'IPv4',
    program: 'iptables',
    him: '203.0.113.7',
    node: '198.51.100.1',
    inner: '192.0.2.200',
    translated: '192.0.2.201',
    led: '192.0.2.202',
    outer: '192.0.2.5',
    network: '192.0.2.0/25',
    put: put('in_hosts4', '203.0.113.7'),
  },
  {
    family: 'IPv6',
    program: 'ip6tables',
    him: '2001:db8:a::7',
    node: '2001:db8:ffff::1',
    inner: '2001:db8:b::1',
    translated: '2001:db8:b::2',
    led: '2001:db8:b::3',
    outer: '2001:db8:c::5',
    network: '2001:db8:c::/48',
    put: put('in_hosts6', '2001:db8:a::7'),
  },
] as const

let [attacker, inner, outer]: Host[] = []
let node: Party
before(async () => {
  if (kernel.skipLarge) return
  node = await thisNode()
  attacker = await host('attacker', ['203.0.113.0/24', '2001:db8:a::/48'])
  inner = await host('inner', ['192.0.2.128/25', '2001:db8:b::/48'])
  outer = await host('outer', ['192.0.2.0/25', '2001:db8:c::/48'])
})
after(async () => {
  for (const party of [attacker, inner, outer, kernel.skipLarge ? undefined : node])
    await party?.close()
})

for (const variant of ['-legacy', '-nft'] as const)
  describe(`with iptables${variant}`, {
    skip: kernel.skipLarge || legacyTools(variant).skip,
  }, () => {
    const scripts: string[] = []
    const iptables: Iptables = iptablesProgram(variant)
    let firewall: Firewall
    before(async () => {
      const restore: Iptables['restore'] = (family, script) => {
        scripts.push(script)
        return iptables.restore(family, script)
      }
      firewall = ipsetFirewall(ipsetProgram(), { ...iptables, restore })
      await firewall.prepare()
    })
    beforeEach(async () => {
      await firewall.replace([])
      await firewall.setScoped([], 0)
    })
    after(async () => {
      await firewall.clear()
      await firewall.close()
    })
    const set = (...elements: readonly ScopedElement[]) => firewall.setScoped(elements, 0)

    for (const at of places) {
      const { him } = at
      const comes = () => delivers(theAttacker(), him, node, at.node)
      const toInner = () => delivers(theAttacker(), him, theInner(), at.inner)
      const toOuter = () => delivers(theAttacker(), him, theOuter(), at.outer)
      const each = async () => [await comes(), await toInner(), await toOuter()]

      test(`${at.family}: what is allowed by the interface it leaves by is stopped by any other`, async () => {
        for (const allow of [
          element('allow', 'forward', him, { interface: 'v-outer' }),
          element('allow', 'forward', him, { peerInterface: 'v-out*' }),
          element('allow', 'forward_from', him, { interface: 'v-att*', peerInterface: 'v-outer' }),
          element('allow', 'forward_from', him, {
            peerInterface: 'v-outer',
            peer: readAddress(at.network),
          }),
        ]) {
          await firewall.apply([at.put])
          await set(allow)
          assert.deepEqual(await each(), [false, false, true])
          await firewall.apply([{ op: 'remove', set: at.put.set, address: at.put.address }])
          await set(allow, element('drop', 'in', him))
          assert.deepEqual(await each(), [false, false, true])
          await set(allow, element('reject', 'in', him))
          assert.deepEqual(await each(), [false, false, true])
        }
      })

      test(`${at.family}: what an allow lets through before it is routed is limited once`, async () => {
        const allow = element('allow', 'forward', him, { peerInterface: 'v-outer' })
        await set(allow, element('limit', 'in', him))
        assert.equal(await passing(toOuter, 5), 5)
        await set()
        await set(allow, element('limit', 'in', him))
        assert.equal(await passing(toInner, 5), 3)
        assert.equal(await comes(), false)
        await set()
        await set(allow, element('limit', 'in', him))
        assert.equal(await passing(comes, 5), 3)
      })

      test(`${at.family}: who is at the other end is whom the packet was sent to, translated or not`, async () => {
        const nat = `${at.program}${variant} -w -t nat`
        shell(`${nat} -A PREROUTING -d ${at.translated} -j DNAT --to-destination ${at.outer}`)
        const translated = () => delivers(theAttacker(), him, theOuter(), at.translated)
        shell(`${nat} -A PREROUTING -d ${at.led} -j DNAT --to-destination ${at.node}`)
        const led = () => delivers(theAttacker(), him, node, at.led)
        const peer = readAddress(at.translated)
        try {
          assert.deepEqual([await translated(), await toOuter()], [true, true])
          for (const response of ['drop', 'reject'] as const) {
            await set(element(response, 'in', him, { peer }))
            assert.deepEqual([await translated(), await toOuter()], [false, true])
          }
          await set(element('reject', 'in', him), element('allow', 'in', him, { peer }))
          assert.deepEqual([await translated(), await toOuter()], [true, false])
          // An interface by which it leaves has it all judged again, when it is translated.
          const other = element('allow', 'forward', him, { peer, peerInterface: 'v-inner' })
          await set(element('drop', 'in', him), element('allow', 'in', him, { peer }), other)
          assert.deepEqual([await translated(), await toOuter()], [true, false])
          await set(element('limit', 'in', him), other)
          assert.equal(await passing(translated, 5), 3)
          const any = element('allow', 'forward', him, { peerInterface: 'v-inner' })
          await set()
          assert.equal(await led(), true)
          await set(element('drop', 'in', him), any)
          assert.deepEqual([await led(), await comes()], [false, false])
          await set(element('limit', 'in', him), any)
          assert.equal(await passing(led, 5), 3)
        } finally {
          shell(`${nat} -F PREROUTING`)
        }
      })

      test(`${at.family}: a limit of both ways begins anew with another rate, and goes on with other ports`, async () => {
        const goes = () => delivers(node, at.node, theAttacker(), him)
        const both = (burst: number, port?: [number, number]) =>
          (['in', 'out'] as const).map((way) =>
            element('limit', way, him, {
              ...(port ? { port } : {}),
              limit: { name: 'both', rate: { ...rate, burst } },
            }),
          )
        await set(...both(3))
        assert.equal((await passing(comes, 2)) + (await passing(goes, 3)), 3)
        await set(...both(5))
        assert.equal((await passing(goes, 3)) + (await passing(comes, 4)), 5)
        await set(...both(5, [4000, 4010]))
        assert.equal((await passing(goes, 2)) + (await passing(comes, 2)), 0)
        await set(...both(3))
        assert.equal((await passing(comes, 2)) + (await passing(goes, 3)), 3)
      })
    }

    test('the address that every router of a network has is none of another machine', async () => {
      const [, { him } = assert.fail()] = places
      const anyRouter = () => delivers(theAttacker(), him, node, '2001:db8:d::')
      shell('ip -6 addr add 2001:db8:d::1/64 dev v-attacker nodad')
      try {
        // The kernel takes it a moment after the address itself.
        await until(() => readFileSync('/proc/net/anycast6', 'utf8').includes(anycast))
        assert.equal(await anyRouter(), true)
        await set(element('drop', 'in', him), element('allow', 'forward', him))
        assert.equal(await anyRouter(), false)
      } finally {
        shell('ip -6 addr del 2001:db8:d::1/64 dev v-attacker')
      }
    })

    test('what is let through to be judged again is let through only while it is judged', async () => {
      const tables = () => scripts.flatMap((script) => script.match(/^\*\w+$/gm) ?? [])
      scripts.splice(0)
      await set(element('allow', 'forward', '203.0.113.7', { interface: 'v-outer' }))
      assert.deepEqual(tables().slice(0, 2), ['*mangle', '*raw'])
      scripts.splice(0)
      await set(element('allow', 'forward', '203.0.113.7'))
      // What comes is there together with what goes, and only then what goes is gone.
      assert.deepEqual(tables().slice(0, 2), ['*mangle', '*raw'])
      assert.deepEqual(tables().slice(-2), ['*raw', '*mangle'])
      assert.doesNotMatch(shell(`iptables${variant}-save`), /CORDON_AGAIN/)
    })
  })

/** As /proc writes 2001:db8:d:: */
const anycast = '20010db8000d00000000000000000000'

async function passing(send: () => Promise<boolean>, packets: number): Promise<number> {
  let count = 0
  for (let packet = 0; packet < packets; packet++) if (await send()) count++
  return count
}

async function until(came: () => boolean): Promise<void> {
  const deadline = performance.now() + 30_000
  while (!came()) {
    if (performance.now() > deadline) throw new Error('it did not come within 30 s')
    await pause(10)
  }
}

function theAttacker(): Host {
  return attacker ?? assert.fail('there is no attacker')
}

function theInner(): Host {
  return inner ?? assert.fail('there is no machine behind')
}

function theOuter(): Host {
  return outer ?? assert.fail('there is no other machine behind')
}

function shell(command: string): string {
  return execFileSync('sh', ['-c', command], { encoding: 'utf8' })
}
