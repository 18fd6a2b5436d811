/** A million blocks: signed as a whole state to a fresh node, what they take, and what one more costs then. */
import { type Figure, percentile, rounded } from './figure.ts'
import { lags } from './lags.ts'
import { pause } from './load.ts'
import { makeWorld, monotonicMs, residentMb, type World } from './world.ts'

const million = 1_000_000
/** A node holds a million and refuses what is above: there must be room for those that come later. */
const later = 500
/** Attackers from here on are not among those in the store. */
const others = 120_000

export async function measureMillion(blocks = million - later): Promise<Figure[]> {
  const none = await withNone()
  const world = await makeWorld(1, { filled: blocks })
  try {
    const serviceBefore = residentMb(world.service)
    const seconds = await bulk(world, blocks)
    await untilQuiet(world)
    const agent = agentMb(world)
    const service = residentMb(world.service)
    const median = await oneMore(world)
    const how = `${blocks} IPv4 hosts that were in the store beforehand, from the start of the agent process (enrolment included) to the last element in the kernel`
    const perBlock = ((agent - none.agent) * 1_048_576) / blocks
    return [
      figure('bulk_1m_s', seconds, 's', '<= 12', how),
      figure(
        'one_more_at_1m_ratio',
        median / none.median,
        '×',
        '<= 2',
        `median ms with 0 and 1m in force: ${rounded(none.median)}, ${rounded(median)}`,
      ),
      figure('agent_rss_mb_1m', agent, 'MB', '', `${blocks} blocks from one snapshot`),
      figure(
        'agent_bytes_per_block',
        perBlock,
        'B',
        '',
        `resident, more than with 200 blocks (${rounded(none.agent)} MB)`,
      ),
      figure(
        'service_rss_mb_1m',
        service,
        'MB',
        '',
        `after that snapshot, ${rounded(serviceBefore)} MB before`,
      ),
    ]
  } finally {
    await world.close()
  }
}

async function withNone(): Promise<{ median: number; agent: number }> {
  const world = await makeWorld(1)
  try {
    await world.startFleet()
    return { median: await oneMore(world), agent: agentMb(world) }
  } finally {
    await world.close()
  }
}

async function bulk(world: World, blocks: number): Promise<number> {
  const started = monotonicMs()
  await world.startFleet()
  const deadline = started + 120_000
  while (world.arrivals().count < blocks && monotonicMs() < deadline) await pause(20)
  const { count, last } = world.arrivals()
  if (count < blocks) throw new Error(`${count} of ${blocks} blocks arrived`)
  return (last - started) / 1_000
}

/** Until the node has said what became of each, and both have tidied up. */
async function untilQuiet(world: World): Promise<void> {
  const deadline = monotonicMs() + 60_000
  const busy = () => world.cpu()
  await pause(5_000)
  for (let before = busy(); monotonicMs() < deadline; ) {
    await pause(2_000)
    const now = busy()
    if (now - before < 100) return
    before = now
  }
}

/** Median ms from the alert to the kernel, of those that come after the code is compiled. */
async function oneMore(world: World): Promise<number> {
  await lags(world, others, 200, 50, 1)
  return percentile(await lags(world, others + 200, 200, 50, 1), 0.5)
}

function agentMb(world: World): number {
  return world.fleet ? residentMb(world.fleet) : Number.NaN
}

function figure(name: string, value: number, unit: string, goal: string, detail: string): Figure {
  return { name, value: rounded(value), unit, goal, detail }
}
