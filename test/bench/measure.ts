/** The measurements. Each makes its world, takes its samples, and gives figures under the names of DESIGN section 9. */

import {
  appendFileSync,
  closeSync,
  fdatasyncSync,
  mkdtempSync,
  openSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { measureMillion } from './bulk-million.ts'
import { measureChanges } from './changes.ts'
import { measureElastic } from './elastic.ts'
import { measureEnrichment } from './enrichment.ts'
import { measureFacts } from './facts.ts'
import { measureFanOut } from './fan-out.ts'
import { type Figure, percentile, rounded } from './figure.ts'
import { lags } from './lags.ts'
import { measureLists } from './lists.ts'
import { alerts, attacker, eveLine, pause, untilArrived } from './load.ts'
import { measureOpenctiStream } from './opencti-stream.ts'
import { measurePackets } from './packets.ts'
import { measureRestarts } from './restart.ts'
import { measureSimulation } from './simulate.ts'
import { measureWazuh } from './wazuh.ts'
import { makeWorld, monotonicMs, residentMb, type World } from './world.ts'

export const measurements: Record<string, () => Promise<Figure[]>> = {
  list_lookup: measureLists,
  enrich: measureFacts,
  elastic: measureElastic,
  opencti_stream: measureOpenctiStream,
  enrichment_job: measureEnrichment,
  simulate: measureSimulation,
  wazuh: measureWazuh,
  packets: () => measurePackets(),
  changes: () => measureChanges(),
  restart_gap: measureRestarts,
  stream_last_of_1000: () => measureFanOut(),
  disk: async () => {
    const flush = diskFlushes()
    const detail = 'what each durable commit waits for: 8 KB written and flushed, n=500'
    return [
      figure('disk_flush_p50_ms', percentile(flush, 0.5), 'ms', '', detail),
      figure('disk_flush_p99_ms', percentile(flush, 0.99), 'ms', '', detail),
    ]
  },
  alert_to_kernel: async () =>
    inWorld(1, async (world) => {
      await warmUp(world, 1)
      const lag = await lags(world, 10_000, 2_000, 200, 1)
      return percentiles('alert_to_kernel', lag, [1.5, 5], '1 node, 200/s, full fsync')
    }),
  alert_to_kernel_cold: async () =>
    inWorld(1, async (world) => {
      await warmUp(world, 1)
      await pause(2_000)
      const lag = await lags(world, 10_000, 30, 1, 1)
      return percentiles('alert_to_kernel_cold', lag, [4, 12], '1 node, 1/s, full fsync')
    }),
  alert_to_last_of_20: async () =>
    inWorld(20, async (world) => {
      await warmUp(world, 20)
      const lag = await lags(world, 10_000, 2_000, 200, 20)
      const fast = await lags(world, 20_000, 4_000, 1_000, 20)
      return [
        ...percentiles(
          'alert_to_last_of_20',
          lag,
          [3, 10],
          'last of 20 agents in one process, 200/s',
        ),
        figure(
          'alert_to_last_of_20_at_1000_p99_ms',
          percentile(fast, 0.99),
          'ms',
          '<= 20',
          `n=${fast.length}`,
        ),
      ]
    }),
  alert_to_last_of_20_cold: async () =>
    inWorld(20, async (world) => {
      await warmUp(world, 20)
      await pause(2_000)
      const lag = await lags(world, 10_000, 30, 1, 20)
      return percentiles(
        'alert_to_last_of_20_cold',
        lag,
        [],
        'last of 20 agents in one process, 1/s',
      )
    }),
  file_to_kernel: async () =>
    inWorld(1, async (world) => {
      const appended = async (from: number, count: number) => {
        const sent = new Map<string, number>()
        for (let n = from; n < from + count; n++) {
          sent.set(attacker(n), monotonicMs())
          appendFileSync(world.eve, eveLine(n))
          await pause(20)
        }
        await untilArrived(world, sent.keys(), 1, 30_000)
        return [...sent].map(([address, at]) => (world.arrived(address).get(0) ?? 0) - at)
      }
      await appended(0, 100)
      const lag = await appended(1_000, 300)
      return percentiles('file_to_kernel', lag, [10], 'line appended to eve.json, 50/s, 1 node')
    }),
  alerts_per_second: async () =>
    inWorld(0, async (world) => {
      await flood(world, 0, 5_000)
      const started = monotonicMs()
      await flood(world, 5_000, 30_000)
      const perSecond = 30_000 / ((monotonicMs() - started) / 1_000)
      const detail = '30,000 in batches of 100, 2 senders, all judged block, full fsync'
      return [figure('alerts_per_second', perSecond, '1/s', '>= 5000', detail)]
    }),
  bulk: async () => {
    const figures: Figure[] = []
    for (const [name, blocks, goal] of [
      ['bulk_1k_s', 1_000, ''],
      ['bulk_10k_s', 10_000, ''],
      ['bulk_100k_s', 100_000, '<= 1.5'],
    ] as const)
      figures.push(...(await bulk(name, blocks, goal)))
    return figures
  },
  bulk_1m: () => measureMillion(),
  feed: async () => {
    const world = await makeWorld(1, { list: apart(100_000) })
    try {
      const told = async () => /"entries":100000/.test(await world.get('/v1/feeds'))
      for (const deadline = monotonicMs() + 60_000; !(await told()) && monotonicMs() < deadline; )
        await pause(100)
      const started = monotonicMs()
      await world.startFleet()
      const connected = (monotonicMs() - started) / 1_000
      const lag = await lags(world, 70_000, 100, 50, 1)
      // Both ends of each network are told.
      while (world.arrivals().count < 200_000 && monotonicMs() < started + 60_000) await pause(10)
      while (!/"applied"/.test(await world.get('/v1/feeds')) && monotonicMs() < started + 60_000)
        await pause(50)
      const seconds = (lastOfList(world) - started) / 1_000
      await pause(5_000)
      const detail = `a third IPv4; from the start of the agent process, connected after ${rounded(connected)} s`
      return [
        figure('feed_100k_s', seconds, 's', '', detail),
        ...percentiles('alert_to_kernel_while_feed_loads', lag, [], '1 node, 50/s from then on'),
        figure('service_rss_mb_feed', residentMb(world.service), 'MB', '', 'with that list'),
        figure(
          'agent_rss_mb_feed',
          world.fleet ? residentMb(world.fleet) : NaN,
          'MB',
          '',
          'with it',
        ),
      ]
    } finally {
      await world.close()
    }
  },
  one_more: async () =>
    inWorld(1, async (world) => {
      await warmUp(world, 1)
      const medians = [percentile(await lags(world, 10_000, 200, 50, 1), 0.5)]
      // Every attacker is a new one: none of those that are measured is among those that were loaded.
      for (const [from, count, measured] of [
        [20_000, 10_000, 35_000],
        [40_000, 90_000, 130_200],
      ] as const) {
        await flood(world, from, count)
        await untilArrived(world, [attacker(from + count - 1)], 1, 60_000)
        await pause(1_000)
        medians.push(percentile(await lags(world, measured, 200, 50, 1), 0.5))
      }
      const [none = 1, ten = 0, hundred = 0] = medians
      const detail = `median ms with 0, 10k, 100k in force: ${medians.map(rounded).join(', ')}`
      return [
        figure('one_more_at_10k_ratio', ten / none, '×', '<= 2', detail),
        figure('one_more_at_100k_ratio', hundred / none, '×', '<= 2', detail),
      ]
    }),
  idle: async () =>
    inWorld(1, async (world) => {
      await warmUp(world, 1)
      await pause(3_000)
      const before = world.cpu()
      await pause(20_000)
      const percent = (world.cpu() - before) / 200
      const fleet = world.fleet ? residentMb(world.fleet) : Number.NaN
      return [
        figure('idle_cpu_percent', percent, '% of a core', '<= 0.5', 'service and one agent, 20 s'),
        figure(
          'service_rss_mb',
          residentMb(world.service),
          'MB',
          '<= 120',
          'after 200 alerts, idle',
        ),
        figure('agent_rss_mb', fleet, 'MB', '', 'after 200 blocks, idle'),
      ]
    }),
}

/** Hosts and networks that do not touch: none can be joined to fewer. None is an attacker beyond the 65,536th. */
function apart(size: number): string[] {
  return Array.from({ length: size }, (_, n) =>
    n < 32_768
      ? `198.18.${n >> 7}.${(n & 127) * 2}`
      : `2001:db8:${((n * 2) >> 16).toString(16)}:${((n * 2) & 0xffff).toString(16)}::/64`,
  )
}

/** When the last network of the list arrived in the kernel. */
function lastOfList(world: World): number {
  return Math.max(
    ...apart(100_000)
      .slice(-1)
      .flatMap((one) => [...world.arrived(one).values()]),
  )
}

/** Milliseconds of each; the figures above hang on this disk as much as on our code. */
function diskFlushes(): number[] {
  const dir = mkdtempSync(join(tmpdir(), 'cordon-bench-'))
  const file = openSync(join(dir, 'flush'), 'w')
  const page = Buffer.alloc(8_192)
  try {
    return Array.from({ length: 500 }, (_, i) => {
      const started = monotonicMs()
      writeSync(file, page, 0, page.length, (i % 200) * page.length)
      fdatasyncSync(file)
      return monotonicMs() - started
    })
  } finally {
    closeSync(file)
    rmSync(dir, { recursive: true })
  }
}

async function inWorld<Result>(
  nodes: number,
  work: (world: World) => Promise<Result>,
): Promise<Result> {
  const world = await makeWorld(nodes)
  try {
    if (nodes > 0) await world.startFleet()
    return await work(world)
  } finally {
    await world.close()
  }
}

/** 200 alerts at 50 a second: the code is compiled and the caches are filled. */
async function warmUp(world: World, nodes: number): Promise<void> {
  await lags(world, 0, 200, 50, nodes)
}

async function flood(world: World, from: number, count: number): Promise<void> {
  const bodies = Array.from({ length: count / 100 }, (_, i) => from + i * 100)
  const sender = async () => {
    for (let next = bodies.shift(); next !== undefined; next = bodies.shift())
      await world.post('/v1/alerts/wazuh', alerts(next, 100))
  }
  await Promise.all([sender(), sender()])
}

async function bulk(name: string, blocks: number, goal: string): Promise<Figure[]> {
  const world = await makeWorld(1, { counted: true })
  try {
    await flood(world, 0, blocks)
    const started = monotonicMs()
    await world.startFleet()
    for (
      const deadline = started + 120_000;
      world.arrivals().count < blocks && monotonicMs() < deadline;
    )
      await pause(10)
    const { count, last } = world.arrivals()
    if (count < blocks) throw new Error(`${count} of ${blocks} blocks arrived`)
    const seconds = (last - started) / 1_000
    const detail =
      'from the start of the agent process (enrolment included) to the last element in the kernel'
    const figures = [figure(name, seconds, 's', goal, detail)]
    if (blocks < 100_000 || !world.fleet) return figures
    // By then both let go of what the load left behind, as they do once they are idle.
    await pause(35_000)
    return [
      ...figures,
      figure(
        'agent_rss_mb_100k',
        residentMb(world.fleet),
        'MB',
        '<= 90',
        '100,000 blocks from one snapshot, half a minute after',
      ),
      figure(
        'service_rss_mb_100k',
        residentMb(world.service),
        'MB',
        '',
        'after 100,000 alerts and a snapshot',
      ),
    ]
  } finally {
    await world.close()
  }
}

function percentiles(
  name: string,
  lag: readonly number[],
  goals: readonly number[],
  how: string,
): Figure[] {
  const detail = `${how}, n=${lag.length}`
  return [
    figure(
      `${name}_p50_ms`,
      percentile(lag, 0.5),
      'ms',
      goals[0] === undefined ? '' : `<= ${goals[0]}`,
      detail,
    ),
    figure(
      `${name}_p99_ms`,
      percentile(lag, 0.99),
      'ms',
      goals[1] === undefined ? '' : `<= ${goals[1]}`,
      detail,
    ),
  ]
}

function figure(name: string, value: number, unit: string, goal: string, detail: string): Figure {
  return { name, value: rounded(value), unit, goal, detail }
}
