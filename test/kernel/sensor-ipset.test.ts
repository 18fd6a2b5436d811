/** The port-scan sensor of hosts without nftables, with real packets: who is a scanner, and who is none. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import type { Server } from 'node:net'
import { after, before, describe, test } from 'node:test'
import type { ScanReport } from '#contract/scan.ts'
import { ipsetFirewall } from '../../agent/kernel/ipset.ts'
import { ipsetProgram } from '../../agent/kernel/ipset-program.ts'
import { iptablesProgram } from '../../agent/kernel/iptables-program.ts'
import { ipsetSensorTable } from '../../agent/kernel/sensor-ipset.ts'
import { mostAttempts } from '../../agent/kernel/sensor-script.ts'
import { type Host, host, ownNamespace, type Party, thisNode } from '../namespace.ts'
import { legacyTools } from './legacy.ts'
import { put } from './promises.ts'
import { forged, from, listen, node4, node6, openSensor, range, tcp } from './sensing.ts'

const kernel = await ownNamespace(import.meta.url)
const variants = ['-legacy', '-nft'] as const

describe('the port-scan sensor of hosts without nftables', { skip: kernel.skipLarge }, () => {
  let attacker: Host
  let inner: Host
  let node: Party
  const servers: Server[] = []
  before(async () => {
    attacker = await host('attacker', ['203.0.113.0/24', '2001:db8:a::/48'])
    inner = await host('inner', ['192.0.2.0/24', '2001:db8:b::/48'])
    node = await thisNode()
    for (let port = 5_001; port <= 5_020; port++) servers.push(await listen(port))
  })
  after(async () => {
    for (const server of servers) server.close()
    await Promise.all([attacker, inner, node].map((one) => one?.close()))
  })

  for (const variant of variants)
    describe(`with ipset and iptables${variant}`, {
      skip: legacyTools(variant).skip,
    }, () => {
      const iptables = iptablesProgram(variant)
      const firewall = ipsetFirewall(ipsetProgram(), iptables, { everyMs: 3_600_000 })
      let before4 = ''
      let after4 = ''
      const all: ScanReport[] = []
      before(async () => {
        sh(
          `iptables${variant} -t nat -A PREROUTING -d ${node4} -p tcp --dport 7001:7030 -j DNAT --to-destination 192.0.2.50:4000`,
        )
        await firewall.prepare()
        await firewall.apply([put('in_hosts4', '203.0.113.20', 600_000)])
        before4 = everything()
        const first = sensor({ scan_trusted: '203.0.113.12,2001:db8:a::12' })
        await first.begin()
        await first.during(() =>
          from(
            attacker,
            ...[10, 12].map((last) => tcp(`203.0.113.${last}`, [node4], [1, 30])),
            tcp('203.0.113.11', [node4], [1, 3]),
            ...[10, 12].map((last) => tcp(`2001:db8:a::${last}`, [node6], [1, 30])),
            tcp('203.0.113.13', range('192.0.2.', 20), [22, 1]),
            tcp('2001:db8:a:2::13', range('2001:db8:b::', 20), [22, 1]),
            { how: 'udp', from: '203.0.113.14', to: [node4], ports: [100, 20] },
            { how: 'tcp', from: '203.0.113.15', to: [node4], ports: [4_000, 1], times: 200 },
            { how: 'fin', from: '203.0.113.20', to: [node4], ports: [100, 30] },
            { how: 'fin', from: '203.0.113.17', to: [node4], ports: [100, 30] },
            tcp('203.0.113.18', [node4], [5_001, 20]),
            { how: 'udp', from: '203.0.113.19', to: [node4], ports: [33_434, 30] },
            tcp('203.0.113.21', [node4], [7_001, 30]),
            tcp('203.0.113.99', [node4], [1, 30]),
          ),
        )
        all.push(...(await first.until(1)))
        await first.stop()
        after4 = everything()
      })
      after(async () => {
        await firewall.clear()
        await firewall.close()
        sh(`iptables${variant} -t nat -F`)
      })

      const told = (source: string) =>
        all.flatMap((one) => (one.kind === 'scan' && one.source === source ? [one] : []))

      for (const source of ['203.0.113.10', '2001:db8:a::10'])
        test(`tells once of ${source}, which tries thirty ports`, () => {
          const [report, ...more] = told(source)
          assert.equal(report?.count, 30)
          assert.deepEqual(report.ports.slice(0, 3), ['tcp/1', 'tcp/2', 'tcp/3'])
          assert.equal(report.hosts, undefined)
          assert.ok(report.first <= report.last && report.last <= Date.now())
          assert.deepEqual(more, [])
        })

      for (const [who, source] of [
        ['a host that tries three ports', '203.0.113.11'],
        ['a trusted scanner', '203.0.113.12'],
        ['a trusted scanner with IPv6', '2001:db8:a::12'],
        ['a client with many connections to one port', '203.0.113.15'],
        ['a client of twenty services that answer', '203.0.113.18'],
        ['a client whose thirty ports are led to a machine that answers', '203.0.113.21'],
        ['a traceroute', '203.0.113.19'],
        ['a scanner that is dropped already', '203.0.113.20'],
      ] as const)
        test(`says nothing of ${who}`, () => assert.deepEqual(told(source), []))

      for (const [source, first] of [
        ['203.0.113.13', '192.0.2.1'],
        ['2001:db8:a:2::13', '2001:db8:b::1'],
      ] as const)
        test(`tells of ${source}, which tries one port of twenty machines behind the node`, () => {
          const [report, ...more] = told(source)
          assert.equal(report?.count, 20)
          assert.deepEqual(report.ports, ['tcp/22'])
          assert.ok(report.hosts?.includes(first))
          assert.deepEqual(more, [])
        })

      test('tells of datagrams to twenty ports where nothing answers', () => {
        assert.equal(told('203.0.113.14')[0]?.count, 20)
        assert.equal(told('203.0.113.14')[0]?.ports[0], 'udp/100')
      })

      test('tells of packets that begin no connection, as of a FIN scan', () => {
        assert.equal(told('203.0.113.17')[0]?.count, 30)
      })

      test('leaves the blocks of the firewall alone, and is left alone by them', async () => {
        const other = sensor()
        await other.begin()
        const heard: string[] = []
        const stop = firewall.watch((what) => void heard.push(what))
        await firewall.prepare()
        await firewall.setScoped([], Date.now())
        stop()
        assert.deepEqual(heard, [])
        await other.table.attempts()
        assert.match(sh(`iptables${variant}-save -t mangle`), /-A PREROUTING -j CORDON-SENSOR-IN/)
        await other.stop()
      })

      test('looks only at the interfaces that are named', async () => {
        const other = sensor({ scan_interfaces: 'v-inn*', scan_ports: '20' })
        await other.begin()
        await other.during(async () => {
          await from(attacker, tcp('203.0.113.30', [node4], [1, 30]))
          await from(inner, tcp('192.0.2.30', [node4], [1, 30]))
        })
        const found = await other.until(1)
        assert.deepEqual(
          found.map((one) => one.kind === 'scan' && one.source),
          ['192.0.2.30'],
        )
        await other.stop()
      })

      test('says so when somebody flushed its rules, and makes them anew', async () => {
        const other = sensor()
        await other.begin()
        sh(`iptables${variant} -t mangle -F CORDON-SENSOR-NOTE`)
        for (let i = 0; i < 10 && other.problems.length === 0; i++) await other.look()
        assert.match(other.problems[0] ?? '', /are gone/)
        await other.look()
        await other.during(() => from(attacker, tcp('203.0.113.31', [node4], [1, 30])))
        assert.equal((await other.until(1)).length, 1)
        await other.stop()
      })

      const flooded = { skip: variant === '-nft' && 'the sets are the same' }
      test(
        'holds so many of seventy thousand forged sources, and tells of them once',
        flooded,
        async () => {
          const other = sensor()
          await other.begin()
          await other.during(() => from(attacker, ...forged(70)))
          const found = await other.until(1)
          assert.deepEqual(
            found.map(({ kind }) => kind),
            ['flood'],
          )
          const held = (await other.table.attempts()).all.length
          assert.ok(held > 60_000 && held <= 1.1 * mostAttempts, `${held}`)
          await other.stop()
        },
      )

      test('leaves nothing when it ends, and removes what was left behind when it is off', async () => {
        assert.equal(after4, before4)
        const killed = sensor()
        await killed.begin()
        assert.notEqual(everything(), before4)
        const off = sensor({ scan_sensor: 'false' })
        await off.begin()
        assert.equal(everything(), before4)
        await off.stop()
        await killed.stop()
      })

      const sensor = (given: Record<string, string> = {}) =>
        openSensor(ipsetSensorTable(ipsetProgram(), iptables), given)

      /** Without what is counted. */
      function everything(): string {
        const saved = ['iptables', 'ip6tables'].map((one) => sh(`${one}${variant}-save`)).join('')
        const rules = saved.match(/^[-*:][^[\n]*/gm) ?? []
        return [...rules, sh('ipset list -name')].join('\n')
      }
    })
})

function sh(script: string): string {
  return execFileSync('sh', ['-c', script], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}
