/** What counts as a scan, by a clock that is held. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { readAddress } from '#contract/address.ts'
import { ScanReport } from '#contract/scan.ts'
import type { Attempt } from '../../agent/kernel/sensor-table.ts'
import { bytesOf, floodMs, mostScans, ScanCounter } from '../../agent/sensor-count.ts'

const start = Date.UTC(2026, 2, 1)
const windowMs = 60_000
const node = '198.51.100.1'

/** The kernel's side: what was tried when, forgotten after the window, never younger by being tried again. */
function sensor(more: { spared?: string; ports?: number } = {}) {
  const noted = new Map<string, { at: number; attempt: Omit<Attempt, 'ageMs'> }>()
  const clock = { now: start }
  const counter = new ScanCounter({
    ports: more.ports ?? 15,
    windowMs,
    own: () => new Set([node, '198.51.100.2', '2001:db8:ffff::1'].map(bytes)),
    spared: ({ text }) => text === more.spared,
  })
  const attempt = (source: string, port: number, host = node, protocol: 'tcp' | 'udp' = 'tcp') => {
    const one = { source: bytes(source), host: bytes(host), protocol, port }
    const key = JSON.stringify(one)
    if (!noted.has(key)) noted.set(key, { at: clock.now, attempt: one })
  }
  const look = (missed = false) => {
    for (const [key, { at }] of noted) if (clock.now - at >= windowMs) noted.delete(key)
    const all = [...noted.values()].map((one) => ({ ...one.attempt, ageMs: clock.now - one.at }))
    return counter.look({ all, missed }, clock.now).map((report) => ScanReport.parse(report))
  }
  return {
    clock,
    attempt,
    look,
    scan: (source: string, ports: number, from = 1) => {
      for (let port = from; port < from + ports; port++) attempt(source, port)
    },
    later: (ms: number) => {
      clock.now += ms
      return look()
    },
  }
}

describe('the port-scan sensor', () => {
  test('tells once of a source that tried fifteen ports in vain', () => {
    const { scan, later } = sensor()
    scan('203.0.113.7', 15)
    assert.deepEqual(later(2_000), [
      {
        kind: 'scan',
        source: '203.0.113.7',
        ports: Array.from({ length: 15 }, (_, i) => `tcp/${i + 1}`),
        count: 15,
        window: start,
        update: 0,
        first: start,
        last: start,
      },
    ])
    assert.deepEqual(later(2_000), [])
    assert.deepEqual(later(57_000), [])
    assert.deepEqual(later(60_000), [])
  })

  test('says nothing of fourteen ports, nor of fifteen in more than a window', () => {
    const { scan, later } = sensor()
    scan('203.0.113.7', 14)
    assert.deepEqual(later(58_000), [])
    later(2_000)
    scan('203.0.113.7', 1, 100)
    assert.deepEqual(later(2_000), [])
  })

  test('says nothing of one port that is tried a thousand times, or on two addresses of this node', () => {
    const { attempt, later } = sensor({ ports: 3 })
    for (let i = 0; i < 1_000; i++) attempt('203.0.113.7', 80)
    attempt('203.0.113.7', 80, '198.51.100.2')
    attempt('203.0.113.7', 443)
    attempt('203.0.113.7', 443, '198.51.100.2')
    assert.deepEqual(later(2_000), [])
  })

  test('counts a port of tcp and of udp as two', () => {
    const { attempt, later } = sensor({ ports: 3 })
    for (const port of [53, 123]) attempt('203.0.113.7', port, node, 'udp')
    attempt('203.0.113.7', 53)
    assert.deepEqual(
      later(2_000).map((one) => one.kind === 'scan' && one.ports),
      [['udp/53', 'tcp/53', 'udp/123']],
    )
  })

  test('waits a second for what may still be answered', () => {
    const { scan, later } = sensor()
    scan('203.0.113.7', 20)
    assert.deepEqual(later(900), [])
    assert.equal(later(200).length, 1)
  })

  test('tells again when the number has doubled, as the next update of the same scan', () => {
    const { scan, later } = sensor()
    const said: (string | number)[][] = []
    for (let second = 0; second < 50; second++) {
      scan('203.0.113.7', 2, 1 + 2 * second)
      for (const one of later(1_000))
        said.push([one.window - start, one.update, one.kind === 'scan' ? one.count : one.kind])
    }
    assert.deepEqual(said, [
      [0, 0, 16],
      [0, 1, 32],
      [0, 2, 64],
    ])
  })

  test('tells of a scan that goes on as of another one in each window', () => {
    const { scan, later } = sensor()
    const windows = new Set<number>()
    let told = 0
    for (let second = 0; second < 600; second++) {
      scan('203.0.113.7', 1, 1 + second)
      for (const { window } of later(1_000)) {
        windows.add(window)
        told++
      }
    }
    assert.ok(windows.size >= 4 && windows.size <= 10, `${windows.size} windows`)
    assert.ok(told <= 3 * windows.size, `${told} reports`)
  })

  test('counts each port of each machine behind the node, and names these', () => {
    const { attempt, later } = sensor()
    for (let i = 1; i <= 15; i++) attempt('203.0.113.7', 22, `192.0.2.${i}`)
    const [report] = later(2_000)
    assert.ok(report?.kind === 'scan')
    assert.equal(report.count, 15)
    assert.deepEqual(report.ports, ['tcp/22'])
    assert.equal(report.hosts?.length, 15)
    assert.equal(report.hosts?.[0], '192.0.2.1')
  })

  test('names an IPv6 host, and its /64 when it takes another address for each port', () => {
    const { scan, attempt, later } = sensor()
    scan('2001:db8:a::7', 15)
    for (let i = 1; i <= 15; i++) attempt(`2001:db8:b::${i}`, i, '2001:db8:ffff::1')
    for (let i = 1; i <= 15; i++) attempt(`203.0.113.${i}`, i)
    assert.deepEqual(
      later(2_000).map((one) => one.kind === 'scan' && one.source),
      ['2001:db8:a::7', '2001:db8:b::/64'],
    )
  })

  test('tells of one /64 once, also when a second host of it joins', () => {
    const { scan, later } = sensor()
    scan('2001:db8:a::7', 15)
    assert.equal(later(2_000).length, 1)
    scan('2001:db8:a::8', 10, 100)
    assert.deepEqual(later(2_000), [])
    scan('2001:db8:a::8', 10, 110)
    assert.deepEqual(
      later(2_000).map((one) => one.kind === 'scan' && [one.source, one.update, one.count]),
      [['2001:db8:a::/64', 1, 35]],
    )
  })

  test('leaves alone whom it is told to', () => {
    const { scan, later } = sensor({ spared: '203.0.113.7' })
    scan('203.0.113.7', 100)
    scan('203.0.113.8', 100)
    assert.deepEqual(
      later(2_000).map((one) => one.kind === 'scan' && one.source),
      ['203.0.113.8'],
    )
  })

  test('tells of fifty scans at a time, the largest, and of the others as one flood', () => {
    const { scan, later, clock, look } = sensor()
    for (let i = 0; i < 200; i++) scan(`203.0.113.${i}`, 15 + i)
    const first = later(2_000)
    assert.equal(first.length, mostScans + 1)
    assert.equal(first[0]?.kind === 'scan' && first[0].source, '203.0.113.199')
    assert.deepEqual(first.at(-1), {
      ...{ kind: 'flood', sources: 200, window: clock.now, update: 0 },
      ...{ first: clock.now, last: clock.now },
    })
    assert.deepEqual(look(), [])
  })

  test('tells of a flood that lasts once in ten minutes, and when it has doubled', () => {
    const { scan, look, clock } = sensor()
    const told: number[] = []
    for (let second = 0; second < 1_200; second += 2) {
      if (second === 100) for (let i = 0; i < 10; i++) scan(`203.0.113.${i}`, 1)
      told.push(...look(true).map(({ update }) => update))
      clock.now += 2_000
    }
    assert.equal(floodMs, 600_000)
    assert.deepEqual(told, [0, 1, 0])
  })

  test('tells of a flood at once, with all of its sources, and not again a moment later', () => {
    const { clock, attempt, look } = sensor()
    for (let i = 0; i < 5_000; i++) attempt(`10.0.${i >> 8}.${i & 255}`, 22)
    assert.deepEqual(
      look(true).map((one) => one.kind === 'flood' && one.sources),
      [5_000],
    )
    clock.now += 5_000
    assert.deepEqual(look(true), [])
  })

  test('says nothing of sixty-five thousand sources that try a port each', () => {
    const { clock, attempt, look } = sensor()
    for (let i = 0; i < 65_000; i++) attempt(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`, i % 500)
    clock.now += 5_000
    assert.deepEqual(look(), [])
  })
})

function bytes(text: string): string {
  return bytesOf(readAddress(text))
}
