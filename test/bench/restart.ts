/** Whether anything of blocked addresses passes while agent or service end, crash, start again or are upgraded. */
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { firstClean } from './blocks.ts'
import { delivered } from './delivered.ts'
import { type Figure, rounded } from './figure.ts'
import { alerts, attacker, pause, untilArrived } from './load.ts'
import { type Link, openSender } from './sender.ts'
import { makeWorld, type World } from './world.ts'

const node = 'b0'
const blocks = 1_000
/** Blocked addresses that send all the time: few, so that each is heard of more than once a millisecond. */
const sources = 16
const perSecond = 20_000
const longestMs = 120_000

type Step = { what: string; act(world: World): Promise<void> }

const steps: readonly Step[] = [
  { what: 'agent stopped and started', act: (world) => anotherAgent(world, 'SIGTERM') },
  { what: 'agent crashed and started', act: (world) => anotherAgent(world, 'SIGKILL') },
  {
    what: 'agent upgraded to one with another table',
    act: async (world) => {
      await world.stopFleet('SIGTERM')
      // The table is now none of this version, as one that an older agent left: all of it is made anew.
      await promisify(execFile)('ip', inNode('nft add set inet cordon older { type ipv4_addr; }'))
      await world.startFleet()
      await mustBeMadeAnew()
    },
  },
  { what: 'service stopped and started', act: (world) => world.restartService('SIGTERM') },
  { what: 'service crashed and started', act: (world) => world.restartService('SIGKILL') },
]

export async function measureRestarts(): Promise<Figure[]> {
  const world = await makeWorld(1)
  try {
    await world.startFleet()
    await block(world, 0, blocks)
    const sender = await openSender()
    try {
      const link = await sender.linkTo(node)
      await mustCount(link)
      return [await gapOf(world, link)]
    } finally {
      await sender.close()
    }
  } finally {
    await world.close()
  }
}

async function gapOf(world: World, link: Link): Promise<Figure> {
  const all = link.pace(0, sources, perSecond, longestMs)
  const passed: string[] = []
  const before = delivered(node)
  for (const [index, { what, act }] of steps.entries()) {
    const from = delivered(node)
    await act(world)
    // What is ordered from now on is followed again.
    await block(world, blocks + index, 1)
    await pause(200)
    passed.push(`${what}: ${delivered(node) - from}`)
  }
  link.stop()
  const { sent, ms } = await all
  if (sent < (perSecond * ms) / 2_000) throw new Error(`only ${sent} packets in ${ms} ms`)
  // As if all of them had been of one address: no gap is longer than that.
  const gap = ((delivered(node) - before) * sources * ms) / sent
  const detail = `${blocks} blocks, ${sent} packets of ${sources} of them in ${rounded(ms / 1_000)} s; one block is looked at every ${rounded((sources * ms) / sent)} ms; packets that passed: ${passed.join(', ')}`
  return { name: 'restart_gap_ms', value: rounded(gap), unit: 'ms', goal: '<= 0', detail }
}

/** Else that nothing was counted would say nothing. */
async function mustCount(link: Link): Promise<void> {
  const before = delivered(node)
  const { sent } = await link.pace(firstClean, sources, perSecond, 200)
  const through = delivered(node) - before
  if (through < sent)
    throw new Error(`${through} of ${sent} packets that nothing blocks came through`)
}

async function anotherAgent(world: World, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  await world.stopFleet(signal)
  await world.startFleet()
}

async function mustBeMadeAnew(): Promise<void> {
  const { stdout } = await promisify(execFile)('ip', inNode('nft -t list table inet cordon'))
  if (stdout.includes('set older')) throw new Error('the table of another version was kept')
}

async function block(world: World, from: number, count: number): Promise<void> {
  for (let at = from; at < from + count; at += 100)
    await world.post('/v1/alerts/wazuh', alerts(at, Math.min(100, from + count - at)))
  const all = Array.from({ length: count }, (_, index) => attacker(from + index))
  await untilArrived(world, all, 1, 30_000)
}

function inNode(command: string): string[] {
  return ['netns', 'exec', node, 'sh', '-c', `exec ${command.replace(/[{};]/g, '\\$&')}`]
}
