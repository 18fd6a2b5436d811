/** Standing rules in a real kernel: what passes, what does not, and that a node finds its way back. */
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
import { nftProgram } from '../../agent/kernel/nft.ts'
import { nftPostureTable } from '../../agent/kernel/posture-table.ts'
import { posture, postureNode } from '../agent/posture-node.ts'
import { makeKey } from '../agent/signer.ts'
import {
  delivers,
  type Host,
  host,
  ownNamespace,
  type Party,
  probePort,
  thisNode,
} from '../namespace.ts'

const kernel = await ownNamespace(import.meta.url)
const run = promisify(execFile)
const folder = mkdtempSync(join(tmpdir(), 'cordon-posture-'))
const port = String(probePort)
let count = 0
let version = 0

const service = (more: Partial<ServiceRule>): ServiceRule => ({
  rule: 'service',
  name: 'probe',
  way: 'node',
  protocol: 'udp',
  ports: [port],
  verdict: 'accept',
  ...more,
})

describe('standing rules', { skip: kernel.skip }, () => {
  let attacker: Host
  let victim: Host
  let node: Party
  let holding: ReturnType<typeof postureNode>
  before(async () => {
    attacker = await host('attacker', ['203.0.113.0/24', '2001:db8:a::/48'])
    victim = await host('victim', ['192.0.2.0/24', '2001:db8:b::/48'])
    node = await thisNode()
  })
  after(async () => {
    for (const party of [attacker, victim, node]) await party.close()
    rmSync(folder, { recursive: true })
  })
  beforeEach(async () => {
    await run('nft', ['add', 'table', 'inet', 'cordon'])
    await run('nft', ['add', 'set', 'inet', 'cordon', 'mine', '{ type ipv4_addr; }'])
    holding = postureNode({
      folder: join(folder, String(count++)),
      table: nftPostureTable(nftProgram()),
    })
    // The paths that the tests check themselves over stay open, as those of administration do.
    for (const network of ['198.51.100.0/24', '2001:db8:ffff::/64'])
      holding.here.push({ address: readAddress(network), why: 'administration' })
    await holding.postures.begin()
  })
  afterEach(async () => {
    await holding.postures.stop()
    await run('nft', ['flush', 'ruleset'])
  })

  const apply = async (rules: readonly PostureRule[], more: Parameters<typeof posture>[1] = {}) => {
    await holding.give(++version, posture(rules, more))
    await holding.postures.settled()
    assert.equal(holding.told().at(-1)?.[2], 'applied', holding.state.problem?.message ?? '')
  }
  const comesIn = (from: string) =>
    delivers(attacker, from, node, from.includes(':') ? node.address6 : node.address4)
  const passes = (from: string) =>
    delivers(attacker, from, victim, from.includes(':') ? '2001:db8:b::1' : '192.0.2.1')

  for (const [family, one, other] of [
    ['IPv4', '203.0.113.7', '203.0.113.8'],
    ['IPv6', '2001:db8:a:1::7', '2001:db8:a:2::7'],
  ] as const)
    describe(`over ${family}`, () => {
      test('a service accepts or drops by its source, the first rule that fits', async () => {
        const networks = [family === 'IPv4' ? '203.0.113.7' : '2001:db8:a:1::/64']
        await apply([
          service({ name: 'ours', from: { networks, countries: [] } }),
          service({ name: 'others', verdict: 'drop' }),
        ])
        assert.deepEqual([await comesIn(one), await comesIn(other)], [true, false])
        await apply([
          service({ name: 'others', verdict: 'drop' }),
          service({ name: 'ours', from: { networks, countries: [] } }),
        ])
        assert.deepEqual([await comesIn(one), await comesIn(other)], [false, false])
      })

      test('a rate is of each source alone, and is not the end of the service', async () => {
        await apply([service({ rate: { packets: 1, per: 'hour', burst: 3 } })])
        const first: boolean[] = []
        for (let n = 0; n < 5; n++) first.push(await comesIn(one))
        assert.deepEqual(first, [true, true, true, false, false])
        assert.equal(await comesIn(other), true)
      })

      test('a connection that stands goes on while new ones are above the rate', async () => {
        const target = family === 'IPv4' ? node.address4 : node.address6
        const before = await attacker.open(one, target)
        await apply([service({ protocol: 'tcp', rate: { packets: 1, per: 'hour', burst: 1 } })])
        const after = await attacker.open(one, target)
        assert.equal(await connects(one, target), false, 'a third connection')
        for (const [n, connection] of [before, after].entries())
          for (let times = 0; times < 20; times++) {
            await attacker.say(connection, `${family} ${n} ${times}`)
            assert.ok(await node.arrived(`${family} ${n} ${times}`, 10_000))
          }
        await apply([service({ protocol: 'tcp', verdict: 'drop' })])
        await attacker.say(before, `${family} still`)
        assert.ok(await node.arrived(`${family} still`, 10_000), 'it began before the rule')
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
        await apply([{ ...only, countries: ['XA'], protocol: 'udp', ports: [port] }], { countries })
        assert.deepEqual([await comesIn(one), await comesIn(other)], [true, false])
        assert.deepEqual([await passes(one), await passes(other)], [true, false])
        await apply([{ ...only, countries: ['XA'], protocol: 'udp', ports: ['53'] }], { countries })
        assert.equal(await comesIn(other), true)
      })

      test('what no service accepts is dropped where the default says so', async () => {
        await apply([service({ protocol: 'tcp', ports: ['443'] })], { default: 'drop' })
        assert.equal(await comesIn(one), false)
        assert.equal(await passes(one), true, 'the default is about the node itself')
        await apply([service({ ports: ['3990-4010'] })], { default: 'drop' })
        assert.equal(await comesIn(one), true)
      })

      test('what this node protects comes in whatever was signed', async () => {
        holding.here.push({ address: readAddress(one), why: 'peer of an authenticated login' })
        await apply([service({ verdict: 'drop' })], { default: 'drop' })
        assert.deepEqual([await comesIn(one), await comesIn(other)], [true, false])
        holding.here.push({ address: readAddress(other), why: 'another' })
        holding.postures.protect()
        await holding.postures.settled()
        assert.equal(await comesIn(other), true, 'also where it learns of it only later')
      })
    })

  test('what comes to the service passes where it runs, as soon as that is known', async () => {
    await apply([service({ protocol: 'tcp', verdict: 'reject' })], { default: 'drop' })
    const opens = () =>
      attacker.open('203.0.113.7', node.address4).then(
        () => true,
        () => false,
      )
    assert.equal(await opens(), false)
    holding.state.servicePort = probePort
    holding.postures.protect()
    await holding.postures.settled()
    assert.equal(await opens(), true)
    assert.equal(await comesIn('203.0.113.7'), false, 'and nothing else')
  })

  test('an interface is that by which it comes', async () => {
    const networks = ['203.0.113.0/24']
    const drop = { verdict: 'drop' as const, from: { networks, countries: [] } }
    await apply([service({ ...drop, interface: 'v-vic*' })])
    assert.equal(await comesIn('203.0.113.7'), true)
    await apply([service({ ...drop, interface: 'v-att*' })])
    assert.equal(await comesIn('203.0.113.7'), false)
  })

  test('what is translated to a container is a service of the node, by the port that was asked', async () => {
    for (const line of [
      'add table ip publish',
      'add chain ip publish pre { type nat hook prerouting priority -100; }',
      'add rule ip publish pre ip saddr 203.0.113.0/24 ip daddr 198.51.100.1 dnat to 192.0.2.1',
    ])
      await run('nft', [line])
    assert.equal(await reachesThrough('203.0.113.50'), true)
    await apply([service({ verdict: 'drop' })])
    assert.equal(await reachesThrough('203.0.113.51'), false)
    assert.equal(await passes('203.0.113.9'), true, 'what is addressed to others is not meant')
  })

  test('rules that hold at times come and go by the clock of their zone, also over its changes', async () => {
    // 2026-03-28 is a Saturday; in the night to the 29th the clocks of Berlin go forward.
    holding.clock.now = Date.UTC(2026, 2, 28, 20, 59, 30)
    const during = { times: 'sat 22:00-06:00', zone: 'Europe/Berlin' }
    await holding.give(++version, posture([service({ verdict: 'drop', during })]), {
      iat: Date.UTC(2026, 2, 28) / 1_000,
      exp: Date.UTC(2026, 2, 30) / 1_000,
    })
    await holding.postures.settled()
    assert.equal(await comesIn('203.0.113.7'), true)
    await passTime(31_000)
    assert.equal(await comesIn('203.0.113.7'), false)
    await passTime(7 * 3_600_000 - 60_000)
    assert.equal(new Date(holding.clock.now).toISOString(), '2026-03-29T03:59:01.000Z')
    assert.equal(await comesIn('203.0.113.7'), false)
    await passTime(60_000)
    assert.equal(await comesIn('203.0.113.7'), true, '06:00 came after seven hours')
  })

  test('while the time is in doubt the rules stay as they are', async () => {
    holding.clock.now = Date.UTC(2026, 2, 3, 8, 59, 0)
    const during = { times: '10:00-12:00', zone: 'Europe/Berlin' }
    await holding.give(++version, posture([service({ verdict: 'drop', during })]), {
      iat: Date.UTC(2026, 2, 3) / 1_000,
      exp: Date.UTC(2026, 2, 4) / 1_000,
    })
    await holding.postures.settled()
    holding.state.timeIsKnown = false
    await passTime(120_000)
    assert.equal(await comesIn('203.0.113.7'), true)
    holding.state.timeIsKnown = true
    await passTime(60_000)
    assert.equal(await comesIn('203.0.113.7'), false)
  })

  test('a version that cuts the way to the service is undone, and the one before it stands', async () => {
    // The way leads through a tunnel whose packets come in at the port, of an address that nobody protects.
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
    assert.deepEqual(holding.told(), [['all', version, 'reverted', version - 1]])
  })

  test('one signed with another key changes nothing', async () => {
    await holding.give(++version, posture([service({ verdict: 'drop' })]), { key: makeKey() })
    await holding.postures.settled()
    assert.equal(await comesIn('203.0.113.7'), true)
    assert.equal(holding.state.problem?.code, 'envelope_key_unknown')
    assert.deepEqual(holding.told(), [])
  })

  test('the table of the blocks is left alone, when rules come, change and go', async () => {
    await run('nft', ['add', 'element', 'inet', 'cordon', 'mine', '{ 203.0.113.99 }'])
    const listed = async () => (await run('nft', ['-a', 'list', 'table', 'inet', 'cordon'])).stdout
    const before = await listed()
    await apply([service({ verdict: 'drop' })], { default: 'drop' })
    await apply([service({})])
    await holding.give(++version, null)
    await holding.postures.settled()
    assert.equal(await listed(), before)
    const tables = (await run('nft', ['list', 'tables'])).stdout
    assert.equal(tables.includes('cordon_posture'), false)
  })

  test('who takes the table away or changes a rule is undone', async () => {
    await apply([service({ verdict: 'drop' })])
    for (const harm of [
      ['delete', 'table', 'inet', 'cordon_posture'],
      ['flush', 'chain', 'inet', 'cordon_posture', 'node'],
    ]) {
      await run('nft', harm)
      assert.equal(await comesIn('203.0.113.7'), true)
      holding.postures.heal()
      await holding.postures.settled()
      assert.equal(await comesIn('203.0.113.7'), false, harm.join(' '))
    }
  })

  test('after a restart it is enforced from the disk, before anybody is asked', async () => {
    const own = join(folder, 'restart')
    const make = () => postureNode({ folder: own, table: nftPostureTable(nftProgram()) })
    const first = make()
    first.here.push(...holding.here)
    await first.postures.begin()
    await first.give(1, posture([service({ verdict: 'drop' })]))
    await first.postures.settled()
    await first.postures.stop()
    await run('nft', ['flush', 'ruleset'])
    assert.equal(await comesIn('203.0.113.7'), true)
    const second = make()
    second.here.push(...holding.here)
    await second.postures.begin()
    assert.equal(await comesIn('203.0.113.7'), false)
    await second.postures.stop()
  })

  async function reachesThrough(from: string): Promise<boolean> {
    const mark = `through ${from} ${++marks}`
    await attacker.send(from, node.address4, mark)
    // What was sent later over the open path has come: the one before it is not still under way.
    assert.equal(await delivers(attacker, attacker.address4, victim, victim.address4), true)
    return victim.arrived(mark, 30)
  }

  async function connects(from: string, to: string): Promise<boolean> {
    const opened = attacker.open(from, to).then(
      () => true,
      () => false,
    )
    const late = new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 300).unref())
    return Promise.race([opened, late])
  }

  /** The kernel is waited for after each step of the clock. */
  async function passTime(ms: number): Promise<void> {
    await holding.time.pass(ms)
    await holding.postures.settled()
  }
})

let marks = 0

async function until(so: () => Promise<boolean>): Promise<void> {
  for (let times = 0; times < 500; times++) {
    if (await so()) return
    await breath(2)
  }
  assert.fail('it never came to that')
}
