/** Standing rules on a host without nftables: what passes, what does not, and that nothing of them stays. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import { setTimeout as breath } from 'node:timers/promises'
import { promisify } from 'node:util'
import { readAddress } from '#contract/address.ts'
import type { PostureRule, ServiceRule } from '#contract/posture.ts'
import { Problem } from '#contract/problem.ts'
import { ipsetFirewall } from '../../agent/kernel/ipset.ts'
import { ipsetProgram } from '../../agent/kernel/ipset-program.ts'
import { type Iptables, iptablesProgram } from '../../agent/kernel/iptables-program.ts'
import { clearIpset, clearTable } from '../../agent/kernel/leftovers.ts'
import { nftProgram } from '../../agent/kernel/nft.ts'
import { iptablesPostureTable } from '../../agent/kernel/posture-iptables.ts'
import { refusesPosture } from '../../agent/kernel/posture-iptables-refusal.ts'
import { choosePostureTable } from '../../agent/kernel/posture-table.ts'
import { tracesOf } from '../../agent/kernel/traces.ts'
import { posture, postureNode } from '../agent/posture-node.ts'
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
import { put } from './promises.ts'
import { element } from './scoped.ts'

const kernel = await ownNamespace(import.meta.url)
const run = promisify(execFile)
const folder = mkdtempSync(join(tmpdir(), 'cordon-posture-'))
const port = String(probePort)
let count = 0
let version = 0
let marks = 0

const service = (more: Partial<ServiceRule>): ServiceRule => ({
  rule: 'service',
  name: 'probe',
  way: 'node',
  protocol: 'udp',
  ports: [port],
  verdict: 'accept',
  ...more,
})

let attacker: Host
let victim: Host
let node: Party
before(async () => {
  if (kernel.skipLarge) return
  attacker = await host('attacker', ['203.0.113.0/24', '2001:db8:a::/48'])
  victim = await host('victim', ['192.0.2.0/24', '2001:db8:b::/48'])
  node = await thisNode()
})
after(async () => {
  for (const party of [attacker, victim, node]) await party?.close()
})

for (const variant of ['-legacy', '-nft'] as const)
  describe(`standing rules in iptables${variant}`, {
    skip: kernel.skipLarge || legacyTools(variant).skip,
  }, () => {
    let holding: ReturnType<typeof postureNode>
    let whole: string
    const ipset = ipsetProgram()
    const iptables = iptablesProgram(variant)
    before(async () => {
      for (const family of [4, 6] as const)
        await iptables.restore(
          family,
          '*filter\n-A INPUT -p tcp --dport 9 -j DROP\n-A FORWARD -p tcp --dport 9 -j DROP\nCOMMIT\n',
        )
      whole = await everything()
    })
    after(async () => {
      for (const family of [4, 6] as const)
        await iptables.restore(
          family,
          '*filter\n-D INPUT -p tcp --dport 9 -j DROP\n-D FORWARD -p tcp --dport 9 -j DROP\nCOMMIT\n',
        )
    })
    beforeEach(async () => {
      holding = make(iptablesPostureTable(ipset, iptables))
      await holding.postures.begin()
    })
    afterEach(async () => {
      await holding.postures.stop()
      await iptablesPostureTable(ipset, iptables).remove()
      assert.equal(await everything(), whole, 'nothing stays')
    })

    /** The paths that the tests check themselves over stay open, as those of administration do. */
    const make = (table: ReturnType<typeof iptablesPostureTable>, own = String(count++)) => {
      const made = postureNode({ folder: join(folder, own), table })
      for (const network of ['198.51.100.0/24', '2001:db8:ffff::/64'])
        made.here.push({ address: readAddress(network), why: 'administration' })
      return made
    }
    const apply = async (
      rules: readonly PostureRule[],
      more: Parameters<typeof posture>[1] = {},
    ) => {
      await holding.give(++version, posture(rules, more))
      await holding.postures.settled()
      assert.equal(holding.told().at(-1)?.[2], 'applied', holding.state.problem?.message ?? '')
    }
    const comesIn = (from: string) =>
      delivers(attacker, from, node, from.includes(':') ? node.address6 : node.address4)
    const passes = (from: string) =>
      delivers(attacker, from, victim, from.includes(':') ? '2001:db8:b::1' : '192.0.2.1')
    const everything = async () => {
      const listings = [
        await iptables.save(4),
        await iptables.save(6),
        (await run('ipset', ['list', '-n'])).stdout,
      ]
      // The comments hold the time, the chains of the kernel their counts; legacy tables stay when they are empty.
      return listings
        .map((text) => text.replaceAll(/^#.*\n| \[\d+:\d+\]/gm, ''))
        .map((text) => text.replaceAll(/^\*\w+\n(:\S+ ACCEPT\n)*COMMIT\n/gm, ''))
        .join('\n')
    }

    for (const [family, one, other] of [
      ['IPv4', '203.0.113.7', '203.0.113.8'],
      ['IPv6', '2001:db8:a:1::7', '2001:db8:a:2::7'],
    ] as const)
      describe(`over ${family}`, () => {
        test('a service accepts or drops by its source, the first rule that fits', async () => {
          const networks = [family === 'IPv4' ? '203.0.113.7' : '2001:db8:a:1::/64']
          const ours = service({ name: 'ours', from: { networks, countries: [] } })
          const others = service({ name: 'others', verdict: 'drop' })
          await apply([ours, others])
          assert.deepEqual([await comesIn(one), await comesIn(other)], [true, false])
          await apply([others, ours])
          assert.deepEqual([await comesIn(one), await comesIn(other)], [false, false])
        })

        test('a connection that stands goes on while new ones of its source are above the rate', async () => {
          const target = family === 'IPv4' ? node.address4 : node.address6
          const before = await attacker.open(one, target)
          await apply([service({ protocol: 'tcp', rate: { packets: 1, per: 'hour', burst: 1 } })])
          const after = await attacker.open(one, target)
          assert.equal(await connects(one, target), false, 'a third connection')
          assert.equal(await connects(other, target, 20_000), true, 'of another source')
          for (const [n, connection] of [before, after].entries())
            for (let times = 0; times < 20; times++) {
              await attacker.say(connection, `${variant} ${family} ${n} ${times}`)
              assert.ok(await node.arrived(`${variant} ${family} ${n} ${times}`, 10_000))
            }
          await apply([service({ protocol: 'tcp', verdict: 'drop' })])
          await attacker.say(before, `${variant} ${family} still`)
          assert.ok(
            await node.arrived(`${variant} ${family} still`, 10_000),
            'it began before the rule',
          )
        })

        test('what a country is denied does not come in, nor through where that is said', async () => {
          const countries = { XA: family === 'IPv4' ? ['203.0.113.0/29'] : ['2001:db8:a:1::/64'] }
          const deny = { rule: 'country', name: 'not XA', mode: 'deny' } as const
          await apply([{ ...deny, countries: ['XA'], way: 'node' }], { countries })
          assert.deepEqual([await comesIn(one), await comesIn(other)], [false, true])
          assert.equal(await passes(one), true)
          await apply([{ ...deny, countries: ['XA'], way: 'both' }], { countries })
          assert.deepEqual([await comesIn(one), await passes(one)], [false, false])
          assert.equal(await passes(other), true)
        })

        test('what one country alone may is closed for the rest, at that port', async () => {
          const countries = { XA: family === 'IPv4' ? ['203.0.113.0/29'] : ['2001:db8:a:1::/64'] }
          const only = { rule: 'country', name: 'only XA', mode: 'only', way: 'both' } as const
          const at = (ports: string[]) => [
            { ...only, countries: ['XA'], protocol: 'udp' as const, ports },
          ]
          await apply(at([port]), { countries })
          assert.deepEqual([await comesIn(one), await comesIn(other)], [true, false])
          assert.deepEqual([await passes(one), await passes(other)], [true, false])
          await apply(at(['53']), { countries })
          assert.equal(await comesIn(other), true)
        })

        test('what no service accepts is dropped by default, but not from whom the node protects', async () => {
          holding.here.push({ address: readAddress(one), why: 'peer of an authenticated login' })
          await apply([service({ protocol: 'tcp', ports: ['443'] })], { default: 'drop' })
          assert.deepEqual([await comesIn(one), await comesIn(other)], [true, false])
          assert.equal(await passes(other), true, 'the default is about the node itself')
          holding.here.push({ address: readAddress(other), why: 'another' })
          holding.postures.protect()
          await holding.postures.settled()
          assert.equal(await comesIn(other), true, 'also where it learns of it only later')
          holding.here.splice(-2)
          await apply([service({ ports: ['3990-4010'] })], { default: 'drop' })
          assert.equal(await comesIn(one), true)
        })

        test('what is rejected is told so at once', async () => {
          await apply([service({ protocol: 'tcp', verdict: 'reject' })])
          const target = family === 'IPv4' ? node.address4 : node.address6
          await assert.rejects(attacker.open(one, target), /ECONNREFUSED/)
        })
      })

    test('whose address is one of a network of /64 has the rate of all of it', async () => {
      await apply([service({ rate: { packets: 1, per: 'hour', burst: 3 } })])
      const said: boolean[] = []
      for (const n of [1, 2, 3, 4, 5]) said.push(await comesIn(`2001:db8:a:7::${n}`))
      assert.deepEqual(said, [true, true, true, false, false])
      assert.equal(await comesIn('2001:db8:a:8::1'), true)
      await apply([service({ rate: { packets: 1, per: 'hour', burst: 4 } })])
      assert.equal(await comesIn('2001:db8:a:7::1'), true, 'another rate counts anew')
    })

    test('what comes to the service passes where it runs, as soon as that is known', async () => {
      await apply([service({ verdict: 'drop' })], { default: 'drop' })
      assert.equal(await connects('203.0.113.7', node.address4), false)
      holding.state.servicePort = probePort
      holding.postures.protect()
      await holding.postures.settled()
      assert.equal(await connects('203.0.113.7', node.address4, 20_000), true)
      assert.equal(await comesIn('203.0.113.7'), false, 'and nothing else')
    })

    test('an interface is that by which it comes, exactly or as names begin', async () => {
      const from = { networks: ['203.0.113.0/24'], countries: [] }
      for (const [name, open] of [
        ['v-victim', true],
        ['v-att', true],
        ['v-attacker', false],
        ['v-att*', false],
      ] as const) {
        await apply([service({ verdict: 'drop', from, interface: name })])
        assert.equal(await comesIn('203.0.113.7'), open, name)
      }
    })

    test('what is translated to a container is a service of the node, by the port that was asked', async () => {
      const nat = (verb: string) =>
        iptables.restore(
          4,
          `*nat\n${verb} PREROUTING -s 203.0.113.0/24 -d 198.51.100.1 -j DNAT --to-destination 192.0.2.1\nCOMMIT\n`,
        )
      await nat('-A')
      try {
        assert.equal(await reachesThrough('203.0.113.50'), true)
        await apply([service({ verdict: 'drop' })])
        assert.equal(await reachesThrough('203.0.113.51'), false)
        assert.equal(await passes('203.0.113.9'), true, 'what is addressed to others is not meant')
      } finally {
        await nat('-D')
      }
    })

    test('rules that hold at times come and go by the clock of their zone', async () => {
      // 2026-03-28 is a Saturday; in the night to the 29th the clocks of Berlin go forward.
      holding.clock.now = Date.UTC(2026, 2, 28, 20, 59, 30)
      const during = { times: 'sat 22:00-06:00', zone: 'Europe/Berlin' }
      await holding.give(++version, posture([service({ verdict: 'drop', during })]), {
        iat: Date.UTC(2026, 2, 28) / 1_000,
        exp: Date.UTC(2026, 2, 30) / 1_000,
      })
      await holding.postures.settled()
      const said: boolean[] = []
      for (const ms of [0, 31_000, 7 * 3_600_000 - 60_000, 60_000]) {
        await holding.time.pass(ms)
        await holding.postures.settled()
        said.push(await comesIn('203.0.113.7'))
      }
      assert.deepEqual(said, [true, false, false, true])
    })

    test('a version that cuts the way to the service is undone, and the one before it stands', async () => {
      holding.service.reach = async () => {
        if (!(await comesIn('203.0.113.7'))) throw new Problem('service_unreachable', 'cut')
      }
      const networks = ['203.0.113.8']
      await apply([service({ verdict: 'drop', from: { networks, countries: [] } })])
      await holding.give(++version, posture([service({ verdict: 'drop' })]), { confirm: 10 })
      await until(async () => !(await comesIn('203.0.113.9')))
      await until(async () => {
        await holding.time.pass(1_000)
        return holding.told()[0]?.[2] === 'reverted'
      })
      await holding.postures.settled()
      assert.deepEqual(
        [await comesIn('203.0.113.7'), await comesIn('203.0.113.8'), await comesIn('203.0.113.9')],
        [true, false, true],
      )
    })

    test('a family that refuses takes the other back with it', async () => {
      const table = iptablesPostureTable(ipset, refusing(iptables))
      const isRefused = async (rules: PostureRule[]) => {
        const postures = [{ audience: 'all', version: 1, posture: posture(rules).posture }]
        const trying = table.run({ postures, networks: () => [], here: [], now: 0 })
        await assert.rejects(trying, /told to refuse/)
      }
      await isRefused([service({ verdict: 'drop' })])
      assert.equal(await everything(), whole)
      const from = { networks: ['203.0.113.8'], countries: [] }
      await apply([service({ verdict: 'drop', from })])
      const stood = await everything()
      await isRefused([service({ verdict: 'drop' })])
      await isRefused([])
      assert.equal(await everything(), stood)
      assert.deepEqual([await comesIn('203.0.113.7'), await comesIn('203.0.113.8')], [true, false])
    })

    test('blocks and standing rules come, change and go without one another', async () => {
      const firewall = ipsetFirewall(ipset, iptables)
      await apply([
        service({ verdict: 'drop', from: { networks: ['203.0.113.8'], countries: [] } }),
      ])
      await firewall.prepare()
      await firewall.apply([put('in_hosts4', '203.0.113.7')])
      await firewall.setScoped([element('reject', 'in', '203.0.113.6')], 0)
      const closed = async () =>
        Promise.all([
          await comesIn('203.0.113.6'),
          await comesIn('203.0.113.7'),
          await comesIn('203.0.113.8'),
        ])
      assert.deepEqual(await closed(), [false, false, false])
      const changes: string[] = []
      const stop = firewall.watch?.((what) => changes.push(what))
      await apply([
        service({ verdict: 'drop', from: { networks: ['203.0.113.9'], countries: [] } }),
      ])
      assert.deepEqual(await closed(), [false, false, true])
      stop?.()
      await firewall.clear()
      assert.deepEqual(await closed(), [true, true, true])
      assert.equal(await comesIn('203.0.113.9'), false)
      await firewall.close()
    })

    test('who changes a rule is undone, and what was taken back is gone', async () => {
      await apply([service({ verdict: 'drop' })])
      await iptables.restore(4, '*filter\n:CORDON_POSTURE_NODE - [0:0]\nCOMMIT\n')
      assert.equal(await comesIn('203.0.113.7'), true)
      holding.postures.heal()
      await holding.postures.settled()
      assert.equal(await comesIn('203.0.113.7'), false)
      await holding.give(++version, null)
      await holding.postures.settled()
      assert.equal(await everything(), whole)
    })

    test('what is not refused is taken by the kernel, up to the largest', async () => {
      const codes = Array.from({ length: 250 }, (_, n) =>
        String.fromCharCode(65 + Math.floor(n / 26), 65 + (n % 26)),
      )
      const countries = Object.fromEntries(codes.map((code) => [code, ['0.0.0.0/0', '::/0']]))
      const name = `${'long name/'.repeat(5)}.with-60_x`
      const slow = { packets: 2_731, per: 'hour', burst: 65_535 } as const
      const fast = { packets: 10_000, per: 'second', burst: 65_535 } as const
      await apply(
        [
          { rule: 'state', name, way: 'both', invalid: 'drop' },
          { rule: 'country', name, way: 'both', mode: 'only', countries: codes },
          service({ name, rate: slow, interface: 'abcdefghijklmn*' }),
          service({ name, rate: fast, ports: ['1-65535'], protocol: 'udplite' }),
          service({ name, rate: fast, from: { networks: ['::/0', '0.0.0.0/0'], countries: [] } }),
          { rule: 'service', name, way: 'both', verdict: 'reject' },
        ],
        { countries, default: 'drop' },
      )
      assert.equal(await comesIn('203.0.113.7'), true)
      assert.equal(await comesIn('2001:db8:a::7'), true)
    })

    test('after a restart it is enforced from the disk, before anybody is asked', async () => {
      const first = make(iptablesPostureTable(ipset, iptables), `restart${variant}`)
      await first.postures.begin()
      await first.give(1, posture([service({ verdict: 'drop' })]))
      await first.postures.settled()
      await first.postures.stop()
      await iptablesPostureTable(ipset, iptables).remove()
      assert.equal(await comesIn('203.0.113.7'), true)
      const second = make(iptablesPostureTable(ipset, iptables), `restart${variant}`)
      await second.postures.begin()
      assert.equal(await comesIn('203.0.113.7'), false)
      await second.postures.stop()
    })

    test('clearing takes them out, with the blocks', async () => {
      await apply([service({ verdict: 'drop' })], { default: 'drop' })
      for (const trace of await tracesOf({ nft: nftProgram(), ipset, iptables }))
        await trace.remove()
      assert.equal(await everything(), whole)
    })

    test('a node that has another back end now takes out what this one left', async () => {
      await apply([service({ verdict: 'drop' })], { default: 'drop' })
      await clearIpset(ipset, iptables)
      assert.equal(await everything(), whole)
      await run('nft', ['add', 'table', 'inet', 'cordon_posture'])
      await clearTable(nftProgram())
      assert.doesNotMatch((await run('nft', ['list', 'tables'])).stdout, /cordon/)
    })

    async function reachesThrough(from: string): Promise<boolean> {
      const mark = `through ${variant} ${from} ${++marks}`
      await attacker.send(from, node.address4, mark)
      // What was sent later over the open path has come: the one before it is not still under way.
      assert.equal(await delivers(attacker, attacker.address4, victim, victim.address4), true)
      return victim.arrived(mark, 30)
    }

    async function connects(from: string, to: string, withinMs = 300): Promise<boolean> {
      const opened = attacker.open(from, to).then(
        () => true,
        () => false,
      )
      const late = breath(withinMs, false, { ref: false })
      return Promise.race([opened, late])
    }
  })

test('a host that had no rules has none when they went', {
  skip: kernel.skipLarge || legacyTools('-nft').skip,
}, async () => {
  await run('nft', ['flush', 'ruleset'])
  const table = iptablesPostureTable(ipsetProgram(), iptablesProgram('-nft'))
  const postures = [{ audience: 'all', version: 1, posture: posture([service({})]).posture }]
  await table.run({ postures, networks: () => [], here: [], now: 0 })
  assert.equal(await table.intact(), true)
  await table.remove()
  await table.remove()
  assert.equal((await run('nft', ['list', 'ruleset'])).stdout, '')
  assert.equal((await run('ipset', ['list', '-n'])).stdout, '')
})

test('what iptables cannot hold as it is meant is refused, with the reason', async () => {
  const why = (more: Partial<ServiceRule>, countries = {}) =>
    refusesPosture(posture([service(more)], { countries }).posture)
  assert.equal(why({}), undefined)
  assert.match(why({ interface: 'eth+' }) ?? '', /^probe: iptables cannot name the interface eth\+/)
  const rate = { packets: 20_000, per: 'second', burst: 5 } as const
  assert.match(why({ rate }) ?? '', /more than 10000 a second/)
  const many = Array.from({ length: 200 }, () =>
    service({ ports: Array.from({ length: 15 }, (_, n) => String(n + 1)), from: everywhere }),
  )
  assert.match(refusesPosture(posture(many, everywhereIs).posture) ?? '', /too many/)
})

test('a node whose back end is ipset is given a table for them', async () => {
  assert.equal((await choosePostureTable({ name: 'ipset' }, () => {}))?.enforcing, true)
})

const everywhere = { networks: [], countries: ['XA', 'XB', 'XC', 'XD'] }
const everywhereIs = { countries: { XA: [], XB: [], XC: [], XD: [] } }

/** Of the second family it takes nothing. */
function refusing(iptables: Iptables): Iptables {
  return {
    ...iptables,
    restore: async (family, script) => {
      if (family === 6) throw new Problem('kernel_refused', 'this family was told to refuse')
      await iptables.restore(family, script)
    },
  }
}

async function until(so: () => Promise<boolean>): Promise<void> {
  for (let times = 0; times < 500; times++) {
    if (await so()) return
    await breath(2)
  }
  assert.fail('it never came to that')
}

after(() => rmSync(folder, { recursive: true, force: true }))
