/** A port-scan sensor on a kernel's table, and whoever tries ports of the node from a namespace. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { readAddress } from '#contract/address.ts'
import { type ScanReport, ScanReports } from '#contract/scan.ts'
import type { SensorTable } from '../../agent/kernel/sensor-table.ts'
import { Sensor } from '../../agent/sensor.ts'
import { AgentSettings } from '../../agent/settings.ts'
import type { Host } from '../namespace.ts'
import type { Attempting, Flooding } from './scan-process.ts'

export const scanProcess = fileURLToPath(new URL('./scan-process.ts', import.meta.url))
export const node4 = '198.51.100.1'
export const node6 = '2001:db8:ffff::1'

/** An attempt counts after a second, and a kernel that tells ages in whole seconds may call it a second younger. */
const countedMs = 2_100

export function openSensor(table: SensorTable, given: Record<string, string> = {}) {
  const sent: ScanReport[] = []
  const problems: string[] = []
  let held = false
  const sensor = new Sensor({
    settings: AgentSettings.parse({ scan_sensor: true, ...given }),
    table: {
      ...table,
      attempts: async () => (held ? { all: [], missed: false } : table.attempts()),
    },
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
      if (problem) problems.push(problem.message)
    },
  })
  const look = async () => {
    await sensor.look()
    await sensor.settled()
    return sent.splice(0)
  }
  return {
    ...{ table, look, problems },
    begin: async () => {
      await sensor.begin()
      assert.deepEqual(problems, [])
    },
    stop: () => sensor.stop(),
    /** Nobody looks while it happens: a look in the middle of a scan would rightly tell of a part of it. */
    during: async (traffic: () => Promise<void>) => {
      held = true
      await traffic()
      await sleep(countedMs)
      held = false
    },
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

/** One after the other. */
export async function from(party: Host, ...orders: (Attempting | Flooding)[]): Promise<void> {
  await party.run(process.execPath, scanProcess, ...orders.map((order) => JSON.stringify(order)))
}

export function tcp(source: string, to: string[], ports: [number, number]): Attempting {
  return { how: 'tcp', from: source, to, ports }
}

/** So many networks of a thousand sources each. */
export function forged(networks: number): Flooding[] {
  return Array.from({ length: networks }, (_, i) => ({
    ...{ how: 'flood' as const, from: `2001:db8:a:${(i + 16).toString(16)}::`, sources: 1_000 },
    ...{ to: node6, ports: 1 },
  }))
}

export async function listen(port: number): Promise<Server> {
  const server = createServer((socket) => socket.on('error', () => {}).destroy())
  server.listen(port, node4)
  await once(server, 'listening')
  return server.unref()
}

export function range(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${prefix}${i + 1}`)
}
