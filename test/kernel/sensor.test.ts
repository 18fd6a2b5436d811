/** The port-scan sensor with real packets: who is a scanner, who is none, and what a flood of forged sources does. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import type { Server } from 'node:net'
import { after, before, describe, test } from 'node:test'
import type { ScanReport } from '#contract/scan.ts'
import { type Nft, nftProgram } from '../../agent/kernel/nft.ts'
import { mostAttempts } from '../../agent/kernel/sensor-script.ts'
import { nftSensorTable } from '../../agent/kernel/sensor-table.ts'
import { mostScans } from '../../agent/sensor-count.ts'
import { type Host, host, ownNamespace, type Party, thisNode } from '../namespace.ts'
import type { Attempting } from './scan-process.ts'
import {
  forged,
  from,
  listen,
  node4,
  node6,
  openSensor,
  range,
  scanProcess,
  tcp,
} from './sensing.ts'

const kernel = await ownNamespace(import.meta.url)
const nft: Nft = nftProgram()

/** What drops in raw, as blocks do, and the flood only later, so that nobody answers it; and what leads 30 ports of this node to one machine behind it. */
const surroundings = `
table inet blocks {
  chain prerouting { type filter hook prerouting priority -300; policy accept; ip saddr 203.0.113.20 drop; }
  chain input { type filter hook input priority 0; policy accept; meta nfproto ipv6 tcp sport 40000 drop; }
}
table ip nat {
  chain prerouting { type nat hook prerouting priority -100; policy accept; ip daddr ${node4} tcp dport 7001-7030 dnat to 192.0.2.50:4000; }
}
`

describe('the port-scan sensor in a kernel', { skip: kernel.skip }, () => {
  let attacker: Host
  let inner: Host
  let node: Party
  let first: ReturnType<typeof openSensor> | undefined
  const servers: Server[] = []
  const all: ScanReport[] = []
  before(async () => {
    attacker = await host('attacker', ['203.0.113.0/24', '2001:db8:a::/48'])
    inner = await host('inner', ['192.0.2.0/24', '2001:db8:b::/48'])
    node = await thisNode()
    await nft.run(surroundings)
    for (let port = 5_001; port <= 5_020; port++) servers.push(await listen(port))
    first = sensor({ scan_trusted: '203.0.113.12' })
    await first.begin()
    await asked('203.0.113.16', 30)
    await first.during(() =>
      from(
        attacker,
        ...[10, 12].map((last) => tcp(`203.0.113.${last}`, [node4], [1, 30])),
        tcp('203.0.113.11', [node4], [1, 3]),
        tcp('2001:db8:a::10', [node6], [1, 30]),
        tcp('203.0.113.13', range('192.0.2.', 20), [22, 1]),
        tcp('2001:db8:a:2::13', range('2001:db8:b::', 20), [22, 1]),
        { how: 'udp', from: '203.0.113.14', to: [node4], ports: [100, 20] },
        { how: 'tcp', from: '203.0.113.15', to: [node4], ports: [4_000, 1], times: 1_000 },
        { how: 'fin', from: '203.0.113.20', to: [node4], ports: [100, 30] },
        { how: 'fin', from: '203.0.113.17', to: [node4], ports: [100, 30] },
        tcp('203.0.113.18', [node4], [5_001, 20]),
        { how: 'udp', from: '203.0.113.19', to: [node4], ports: [33_434, 30] },
        tcp('203.0.113.21', [node4], [7_001, 30]),
        { how: 'udp', from: '203.0.113.22', to: [node4], ports: [4_000, 1], times: 100 },
        tcp('203.0.113.99', [node4], [1, 30]),
      ),
    )
    all.push(...(await first.until(1)))
  })
  after(async () => {
    await first?.stop()
    for (const server of servers) server.close()
    await Promise.all([attacker, inner, node].map((one) => one?.close()))
  })

  const told = (source: string) =>
    all.flatMap((one) => (one.kind === 'scan' && one.source === source ? [one] : []))

  test('tells once of a host that tries thirty ports', () => {
    const [report, ...more] = told('203.0.113.10')
    assert.equal(report?.count, 30)
    assert.deepEqual(report.ports.slice(0, 3), ['tcp/1', 'tcp/2', 'tcp/3'])
    assert.equal(report.hosts, undefined)
    assert.ok(report.first <= report.last && report.last <= Date.now())
    assert.deepEqual(more, [])
  })

  test('and of an IPv6 host, by its own address', () => {
    assert.deepEqual(
      told('2001:db8:a::10').map(({ count }) => count),
      [30],
    )
  })

  for (const [who, source] of [
    ['a host that tries three ports', '203.0.113.11'],
    ['a trusted scanner', '203.0.113.12'],
    ['a client with a thousand connections to one port', '203.0.113.15'],
    ['a client of twenty services that answer', '203.0.113.18'],
    ['a name server that answers questions from thirty ports', '203.0.113.16'],
    ['a client whose thirty ports are led to a machine that answers', '203.0.113.21'],
    ['a traceroute', '203.0.113.19'],
    ['a sender of many datagrams to one port', '203.0.113.22'],
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
      assert.equal(report.hosts?.length, 20)
      assert.ok(report.hosts.includes(first))
      assert.deepEqual(more, [])
    })

  test('tells of datagrams to twenty ports where nothing answers', () => {
    const [report] = told('203.0.113.14')
    assert.equal(report?.count, 20)
    assert.equal(report.ports[0], 'udp/100')
  })

  test('tells of packets that begin no connection, as of a FIN scan', () => {
    assert.equal(told('203.0.113.17')[0]?.count, 30)
  })

  test('reads by nft what it reads by netlink', async () => {
    const names = async (open?: () => Promise<never>) => {
      const table = nftSensorTable(nft, open)
      const { all: found, missed } = await table.attempts()
      table.close()
      assert.equal(missed, false)
      return found.map(({ ageMs: _, ...one }) => JSON.stringify(one)).sort()
    }
    const byNetlink = await names()
    assert.ok(byNetlink.length > 100)
    assert.deepEqual(await names(() => Promise.reject(new Error('no koffi here'))), byNetlink)
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

  test('is not shaken by a hundred thousand forged sources, tells of them once, and sees IPv4 scans meanwhile', async () => {
    const other = sensor()
    await other.begin()
    await other.during(() => from(attacker, ...forged(100), tcp('203.0.113.40', [node4], [1, 30])))
    const longest = longestTurn()
    const found = await other.until(2)
    const turn = longest()
    assert.ok(turn < 500, `one turn took ${turn} ms of work`)
    assert.deepEqual(found.map(({ kind }) => kind).sort(), ['flood', 'scan'])
    const held = (await other.table.attempts()).all.filter(({ source }) => source.length === 16)
    assert.ok(held.length > 60_000 && held.length <= mostAttempts, `${held.length}`)
    await other.stop()
  })

  test('tells of fifty at most where two hundred and fifty scan at once', async () => {
    const other = sensor()
    await other.begin()
    await other.during(() =>
      from(attacker, { how: 'flood', from: '203.0.113.0', sources: 250, to: node4, ports: 40 }),
    )
    const found = await other.until(mostScans + 1)
    const first = found.filter(({ update }) => update === 0).map(({ kind }) => kind)
    assert.equal(first.filter((kind) => kind === 'scan').length, mostScans)
    assert.equal(first.filter((kind) => kind === 'flood').length, 1)
    assert.ok(found.length <= mostScans + 3, `${found.length} reports`)
    await other.stop()
  })

  test('leaves no table when it ends, and removes one that was left behind when it is off', async () => {
    const there = () => nft.list('-t', 'list', 'table', 'inet', 'cordon_sensor')
    const other = sensor()
    await other.begin()
    assert.notEqual(await there(), undefined)
    await other.stop()
    assert.equal(await there(), undefined)
    const killed = sensor()
    await killed.begin()
    const off = sensor({ scan_sensor: 'false' })
    await off.begin()
    assert.equal(await there(), undefined)
    await off.stop()
    await killed.stop()
  })
})

function sensor(given: Record<string, string> = {}) {
  return openSensor(nftSensorTable(nft), given)
}

/** This node asks so many questions, each from a port of its own, and gets its answers. */
async function asked(server: string, times: number): Promise<void> {
  const order: Attempting = { how: 'echo', from: server, to: [], ports: [5_300, 1], times }
  const words = ['netns', 'exec', 'attacker', process.execPath, scanProcess, JSON.stringify(order)]
  const child = spawn('ip', words, { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(child.stdout, 'data')
  for (let i = 0; i < times; i++) {
    const socket = createSocket('udp4')
    socket.send('?', 5_300, server)
    await once(socket, 'message')
    socket.close()
  }
  await once(child, 'exit')
}

/** The most milliseconds of this thread's own work between two turns of others since: what else the machine does is not counted. */
function longestTurn(): () => number {
  let last = worked()
  let longest = 0
  const timer = setInterval(() => {
    const now = worked()
    longest = Math.max(longest, now - last)
    last = now
  })
  return () => {
    clearInterval(timer)
    return longest
  }
}

function worked(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1_000
}
