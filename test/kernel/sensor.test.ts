/** The port-scan sensor with real packets: who is a scanner, who is none, and what a flood of forged sources does. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { readAddress } from '#contract/address.ts'
import { type ScanReport, ScanReports } from '#contract/scan.ts'
import { type Nft, nftProgram } from '../../agent/kernel/nft.ts'
import { mostAttempts } from '../../agent/kernel/sensor-script.ts'
import { nftSensorTable } from '../../agent/kernel/sensor-table.ts'
import { Sensor } from '../../agent/sensor.ts'
import { mostScans } from '../../agent/sensor-count.ts'
import { AgentSettings } from '../../agent/settings.ts'
import { type Host, host, ownNamespace, type Party, thisNode } from '../namespace.ts'
import type { Attempting, Flooding } from './scan-process.ts'

const kernel = await ownNamespace(import.meta.url)
const nft: Nft = nftProgram()
const file = fileURLToPath(new URL('./scan-process.ts', import.meta.url))
const node4 = '198.51.100.1'
const node6 = '2001:db8:ffff::1'

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
  let sensor: ReturnType<typeof openSensor>
  const servers: Server[] = []
  const all: ScanReport[] = []
  before(async () => {
    attacker = await host('attacker', ['203.0.113.0/24', '2001:db8:a::/48'])
    inner = await host('inner', ['192.0.2.0/24', '2001:db8:b::/48'])
    node = await thisNode()
    await nft.run(surroundings)
    for (let port = 5_001; port <= 5_020; port++) servers.push(await listen(port))
    sensor = openSensor({ scan_trusted: '203.0.113.12' })
    await sensor.begin()
    await asked('203.0.113.16', 30)
    await from(
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
    )
    // The last of them is told of: what was before it would have been told by now.
    while (!all.some((one) => one.kind === 'scan' && one.source === '203.0.113.99')) {
      await sleep(100)
      all.push(...(await sensor.look()))
    }
    all.push(...(await sensor.look()))
  })
  after(async () => {
    await sensor?.stop()
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
    const other = openSensor({ scan_interfaces: 'v-inn*', scan_ports: '20' })
    await other.begin()
    await from(attacker, tcp('203.0.113.30', [node4], [1, 30]))
    await from(inner, tcp('192.0.2.30', [node4], [1, 30]))
    const found = await other.until(1)
    assert.deepEqual(
      found.map((one) => one.kind === 'scan' && one.source),
      ['192.0.2.30'],
    )
    await other.stop()
  })

  test('is not shaken by a hundred thousand forged sources, tells of them once, and sees IPv4 scans meanwhile', async () => {
    const other = openSensor()
    await other.begin()
    await from(attacker, ...forged(100), tcp('203.0.113.40', [node4], [1, 30]))
    const delay = longestDelay()
    const found = await other.until(2)
    const waited = delay()
    assert.ok(waited < 500, `the event loop stood still for ${waited} ms`)
    assert.deepEqual(found.map(({ kind }) => kind).sort(), ['flood', 'scan'])
    const held = (await other.table.attempts()).all.filter(({ source }) => source.length === 16)
    assert.ok(held.length > 60_000 && held.length <= mostAttempts, `${held.length}`)
    await other.stop()
  })

  test('tells of fifty at most where two hundred and fifty scan at once', async () => {
    const other = openSensor()
    await other.begin()
    await from(attacker, {
      ...{ how: 'flood', from: '203.0.113.0', sources: 250, to: node4, ports: 40 },
    })
    const found = await other.until(mostScans + 1)
    const first = found.filter(({ update }) => update === 0).map(({ kind }) => kind)
    assert.equal(first.filter((kind) => kind === 'scan').length, mostScans)
    assert.equal(first.filter((kind) => kind === 'flood').length, 1)
    assert.ok(found.length <= mostScans + 3, `${found.length} reports`)
    await other.stop()
  })

  test('leaves no table when it ends, and removes one that was left behind when it is off', async () => {
    const there = () => nft.list('-t', 'list', 'table', 'inet', 'cordon_sensor')
    const other = openSensor()
    await other.begin()
    assert.notEqual(await there(), undefined)
    await other.stop()
    assert.equal(await there(), undefined)
    const killed = openSensor()
    await killed.begin()
    const off = openSensor({ scan_sensor: 'false' })
    await off.begin()
    assert.equal(await there(), undefined)
    await off.stop()
    await killed.stop()
  })
})

/** A hundred networks of a thousand sources each. */
function forged(networks: number): Flooding[] {
  return Array.from({ length: networks }, (_, i) => ({
    ...{ how: 'flood' as const, from: `2001:db8:a:${(i + 16).toString(16)}::`, sources: 1_000 },
    ...{ to: node6, ports: 1 },
  }))
}

function openSensor(given: Record<string, string> = {}) {
  const table = nftSensorTable(nft)
  const sent: ScanReport[] = []
  const sensor = new Sensor({
    settings: AgentSettings.parse({ scan_sensor: true, ...given }),
    table,
    service: {
      async ask(_, path, more) {
        assert.equal(path, '/v1/node/alerts')
        sent.push(...ScanReports.parse(more?.body).reports)
        return { success: true }
      },
    },
    now: Date.now,
    monotonic: () => performance.now(),
    here: () => [{ address: readAddress('127.0.0.0/8'), why: 'loopback' }],
    interfaces: () => [node4, node6],
    health: (problem) => {
      if (problem) throw problem
    },
  })
  const look = async () => {
    await sensor.look()
    await sensor.settled()
    return sent.splice(0)
  }
  return {
    table,
    look,
    begin: () => sensor.begin(),
    stop: () => sensor.stop(),
    /** So many reports, and what else comes at the next look. */
    until: async (count: number) => {
      const found: ScanReport[] = []
      while (found.length < count) {
        await sleep(100)
        found.push(...(await look()))
      }
      return [...found, ...(await look())]
    },
  }
}

function tcp(source: string, to: string[], ports: [number, number]): Attempting {
  return { how: 'tcp', from: source, to, ports }
}

async function from(party: Host, ...orders: (Attempting | Flooding)[]): Promise<void> {
  await party.run(process.execPath, file, ...orders.map((order) => JSON.stringify(order)))
}

/** This node asks so many questions, each from a port of its own, and gets its answers. */
async function asked(server: string, times: number): Promise<void> {
  const order: Attempting = { how: 'echo', from: server, to: [], ports: [5_300, 1], times }
  const words = ['netns', 'exec', 'attacker', process.execPath, file, JSON.stringify(order)]
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

async function listen(port: number): Promise<Server> {
  const server = createServer((socket) => socket.on('error', () => {}).destroy())
  server.listen(port, node4)
  await once(server, 'listening')
  return server.unref()
}

function range(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${prefix}${i + 1}`)
}

/** The longest time that nobody else had a turn since. */
function longestDelay(): () => number {
  let last = performance.now()
  let longest = 0
  const timer = setInterval(() => {
    const now = performance.now()
    longest = Math.max(longest, now - last)
    last = now
  }, 10)
  return () => {
    clearInterval(timer)
    return longest
  }
}
