/** How reports of scans reach the service, and how the sensor keeps its table: with a kernel that is a list. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { readAddress } from '#contract/address.ts'
import { Problem } from '#contract/problem.ts'
import type { ScanReport } from '#contract/scan.ts'
import type { Protected } from '../../agent/guard.ts'
import {
  type Attempt,
  printedSensorTable,
  type SensorTable,
} from '../../agent/kernel/sensor-table.ts'
import { Sensor } from '../../agent/sensor.ts'
import { bytesOf } from '../../agent/sensor-count.ts'
import { mostWaiting, ScanQueue } from '../../agent/sensor-queue.ts'
import { AgentSettings } from '../../agent/settings.ts'

const away = () => new Problem('service_unreachable', 'cannot reach the service')

describe('reports of scans', () => {
  test('wait while the service is away, and go in order, each once, when it is there again', async () => {
    const { queue, service } = line()
    service.problem = away()
    queue.add([report(1), report(2)])
    await queue.settled()
    queue.add([report(3)])
    assert.equal(queue.backlog.waiting, 3)
    service.problem = undefined
    queue.reachable()
    await queue.settled()
    assert.deepEqual(service.taken, [1, 2, 3])
    assert.deepEqual(queue.backlog, { waiting: 0, givenUp: 0 })
    await queue.stop()
  })

  test('are tried again by themselves', async (context) => {
    context.mock.timers.enable({ apis: ['setTimeout'] })
    const { queue, service } = line()
    service.problem = away()
    queue.add([report(1)])
    await queue.settled()
    service.problem = undefined
    context.mock.timers.tick(500)
    await queue.settled()
    assert.deepEqual(service.taken, [1])
    await queue.stop()
  })

  test('are given up from the oldest on when a thousand wait', async () => {
    const { queue, service, health } = line()
    service.problem = away()
    queue.add(Array.from({ length: mostWaiting + 5 }, (_, i) => report(i)))
    assert.deepEqual(queue.backlog, { waiting: mostWaiting, givenUp: 5 })
    assert.deepEqual(health, ['overloaded'])
    await queue.settled()
    service.problem = undefined
    queue.reachable()
    await queue.settled()
    assert.equal(service.taken[0], 5)
    assert.equal(service.taken.length, mostWaiting)
    await queue.stop()
  })

  test('wait, and that is a trouble, where the service has no connector for them', async () => {
    const { queue, service, health } = line()
    service.problem = new Problem('not_found', 'the connector portscan does not run')
    queue.add([report(1)])
    await queue.settled()
    assert.equal(health.at(-1), 'not_found')
    assert.equal(queue.backlog.waiting, 1)
    service.problem = undefined
    queue.reachable()
    await queue.settled()
    assert.equal(health.at(-1), undefined)
    await queue.stop()
  })

  test('that are not understood do not stand in the way of the next', async () => {
    const { queue, service, health } = line()
    service.problem = new Problem('invalid_input', 'what is this?')
    queue.add([report(1)])
    await queue.settled()
    assert.deepEqual(queue.backlog, { waiting: 0, givenUp: 1 })
    assert.equal(health.at(-1), 'invalid_input')
    service.problem = undefined
    queue.add([report(2)])
    await queue.settled()
    assert.deepEqual(service.taken, [2])
    await queue.stop()
  })
})

describe('the sensor', () => {
  test('makes its table with all that is protected here, tells the others, and takes the table with it', async () => {
    const { sensor, kernel, service } = node({ here: ['192.0.2.10'] })
    await sensor.begin()
    assert.deepEqual(kernel.done, ['make 192.0.2.200/29 192.0.2.10'])
    kernel.scan('203.0.113.7', 20)
    await sensor.look()
    await sensor.settled()
    assert.deepEqual(service.taken, [0])
    await sensor.stop()
    assert.deepEqual(kernel.done.slice(1), ['remove'])
  })

  test('follows what is protected without forgetting what it saw', async () => {
    const { sensor, kernel, here } = node({ here: ['192.0.2.10'] })
    await sensor.begin()
    here.now = protectedList('192.0.2.10')
    await sensor.look()
    here.now = protectedList('192.0.2.10', '192.0.2.11')
    await sensor.look()
    assert.deepEqual(kernel.done.slice(1), ['spare 192.0.2.200/29 192.0.2.10 192.0.2.11'])
    await sensor.stop()
  })

  test('says nothing of whom is protected since', async () => {
    const { sensor, kernel, service, here } = node()
    await sensor.begin()
    kernel.scan('203.0.113.7', 20)
    here.now = protectedList('203.0.113.0/24')
    await sensor.look()
    await sensor.settled()
    assert.deepEqual(service.taken, [])
    await sensor.stop()
  })

  test('makes its table anew when somebody took it away, and says so meanwhile', async () => {
    const { sensor, kernel, health } = node()
    await sensor.begin()
    kernel.gone = true
    await sensor.look()
    assert.equal(health.at(-1), 'kernel_refused')
    await sensor.look()
    assert.equal(health.at(-1), undefined)
    assert.equal(kernel.done.filter((one) => one.startsWith('make')).length, 2)
    await sensor.stop()
  })

  test('that is off removes a table that was left behind, and looks at nothing', async () => {
    const { sensor, kernel } = node({ scan_sensor: false })
    await sensor.begin()
    await sensor.stop()
    assert.deepEqual(kernel.done, ['remove'])
  })

  test('in a dry run prints its table and looks at nothing', async () => {
    const printed: string[] = []
    const { sensor } = node({ table: printedSensorTable((script) => printed.push(script)) })
    await sensor.begin()
    await sensor.stop()
    assert.equal(printed.length, 1)
    assert.match(printed[0] ?? '', /table inet cordon_sensor/)
  })

  test('is a trouble where there is no nftables', async () => {
    const { sensor, health } = node({ table: false })
    await sensor.begin()
    assert.deepEqual(health, ['unsupported'])
    await sensor.stop()
  })
})

function line() {
  const service = new Listener()
  const health: (string | undefined)[] = []
  const queue = new ScanQueue({ service, health: (problem) => health.push(problem?.code) })
  return { queue, service, health }
}

/** Takes what it is told unless there is a problem, and remembers the windows of that. */
class Listener {
  problem: Problem | undefined
  readonly taken: number[] = []

  async ask(_: string, path: string, more?: { body?: unknown }): Promise<unknown> {
    assert.equal(path, '/v1/node/alerts')
    if (this.problem) throw this.problem
    const { reports } = JSON.parse(JSON.stringify(more?.body))
    for (const { window, update } of reports) this.taken.push(update === 0 ? window : -update)
    return { success: true }
  }
}

function report(n: number): ScanReport {
  const place = { window: n, update: 0, first: n, last: n }
  return { kind: 'scan', source: '203.0.113.7', ports: ['tcp/22'], count: 15, ...place }
}

function node(more: { here?: string[]; scan_sensor?: boolean; table?: SensorTable | false } = {}) {
  const kernel = memoryTable()
  const service = new Listener()
  const health: (string | undefined)[] = []
  const here = { now: protectedList(...(more.here ?? [])) }
  const sensor = new Sensor({
    settings: AgentSettings.parse({
      scan_sensor: more.scan_sensor ?? true,
      scan_trusted: ['192.0.2.200/29'],
    }),
    table: more.table === false ? undefined : (more.table ?? kernel.table),
    service,
    now: () => 30_000,
    monotonic: () => 0,
    here: () => here.now,
    interfaces: () => ['198.51.100.1', 'fe80::1%eth0'],
    health: (problem) => health.push(problem?.code),
  })
  return { sensor, kernel, service, health, here }
}

function memoryTable() {
  const all: Attempt[] = []
  const kernel = {
    done: [] as string[],
    gone: false,
    scan: (source: string, ports: number) => {
      const [from, host] = [source, '198.51.100.1'].map((text) => bytesOf(readAddress(text)))
      for (let port = 1; port <= ports; port++)
        all.push({ source: from ?? '', host: host ?? '', protocol: 'tcp', port, ageMs: 30_000 })
    },
  }
  const names = (addresses: readonly { text: string }[]) =>
    addresses.map(({ text }) => text).join(' ')
  const table: SensorTable = {
    sees: true,
    make: async ({ trusted }) => {
      kernel.gone = false
      kernel.done.push(`make ${names(trusted)}`)
    },
    spare: async (trusted) => void kernel.done.push(`spare ${names(trusted)}`),
    attempts: async () => {
      if (kernel.gone) throw new Problem('kernel_refused', 'the table is gone')
      return { all, missed: false }
    },
    remove: async () => void kernel.done.push('remove'),
    close() {},
  }
  return Object.assign(kernel, { table })
}

function protectedList(...texts: string[]): readonly Protected[] {
  return texts.map((text) => ({ address: readAddress(text), why: 'test' }))
}
