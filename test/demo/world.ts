/** Everything that the demo plays with: the network, a service, three enrolled nodes, traffic, and who watches. */
import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { readAddress } from '#contract/address.ts'
import { shortPolicy, suricataLine, wazuhAlert } from './alerts.ts'
import { type Ask, asker } from './ask.ts'
import type { KernelNews } from './kernels-process.ts'
import { attacker, buildNetwork, clientNamespace, nodes, service, visitor } from './network.ts'
import { collect, printWords, startNode, startService } from './parts.ts'
import { privateFolder } from './private.ts'
import type { Signed } from './signing-clock.ts'
import type { TrafficOrder, TrafficSeen } from './traffic-process.ts'

export type World = {
  ask: Ask
  eve: string
  /** What the service signed, and what the kernels told, in order. */
  signed: readonly Signed[]
  kernels: readonly KernelNews[]
  traffic(order: TrafficOrder): Promise<TrafficSeen>
  /** SIGKILL to the service and all agents. */
  killCordon(): Promise<void>
}

/** How often every client pings every node. */
export const tickMs = 2

/** Alerts about others before those that are measured, as a service has seen that did not start just now. */
export const warmUps = 24

export async function makeWorld(blocksFor: string): Promise<World> {
  buildNetwork()
  const eve = join(privateFolder, 'eve.json')
  const policy = join(privateFolder, 'policy.yaml')
  const data = join(privateFolder, 'service')
  writeFileSync(eve, '')
  writeFileSync(policy, shortPolicy(blocksFor))
  const started = await startService(
    {
      CORDON_LISTEN: `${service.address4}:${service.port}`,
      CORDON_DATA_DIR: data,
      CORDON_POLICY: policy,
      CORDON_SURICATA_FILES: eve,
      CORDON_SURICATA_HOME_NETS: '192.0.2.0/24,2001:db8:1::/64',
      CORDON_LOG_LEVEL: 'warn',
    },
    new URL('signing-clock.ts', import.meta.url).href,
  )
  const signed: Signed[] = []
  collect(started.process.stdio[3], signed)
  const ask = asker(started.url, started.token, readFileSync(join(data, 'tls.crt'), 'utf8'))
  const [kernels, traffic, ...agents] = await Promise.all([
    listenToKernels(),
    startTraffic(),
    ...nodes.map((node) => enrol(ask, node)),
  ])
  const cordon = [started.process, ...agents]
  const world: World = {
    ask,
    eve,
    signed,
    kernels,
    traffic,
    killCordon: async () => {
      for (const part of cordon) part.kill('SIGKILL')
      await Promise.all(cordon.map((part) => part.exitCode ?? once(part, 'exit')))
    },
  }
  await until(
    'the nodes follow the service',
    async () => connected(world),
    () => printWords(cordon),
  )
  await warmUp(world)
  return world
}

/** Looks again and again, and gives up with what is known after a minute. */
export async function until<Found>(
  what: string,
  look: () => Promise<Found | undefined> | Found | undefined,
  known: () => string = () => '',
): Promise<Found> {
  for (const deadline = performance.now() + 60_000; performance.now() < deadline; await pause(10)) {
    const found = await look()
    if (found !== undefined) return found
  }
  throw new Error(`it did not happen that ${what}; ${known()}`)
}

/** What the service says of the newest decision on a target. */
export async function decisionOn(ask: Ask, target: string): Promise<Decision | undefined> {
  const { text } = await ask('GET', `/v1/decisions?target=${encodeURIComponent(target)}`)
  return JSON.parse(text).decisions[0]
}
export type Decision = {
  id: string
  because: string[]
  length_s: number
  not_after: string
  nodes: { of: number; applied: number }
}

/** When the key came into each kernel, in the order of the nodes; undefined until it is in all. */
export function arrivals(world: World, target: string) {
  const key = Buffer.from(readAddress(target).bytes).toString('hex')
  const found = nodes.map((_, node) =>
    world.kernels.find((news) => news.news === 'element' && news.node === node && news.key === key),
  )
  const all = found.flatMap((news) => (news?.news === 'element' ? [news] : []))
  return all.length === nodes.length ? all : undefined
}

async function enrol(ask: Ask, { name, namespace }: (typeof nodes)[number]): Promise<ChildProcess> {
  const { text } = await ask('POST', '/v1/nodes/tokens', '{}')
  const state = join(privateFolder, `agent-${name}`)
  mkdirSync(state, { mode: 0o700 })
  const settings = { CORDON_AGENT_STATE_DIR: state, CORDON_AGENT_ENFORCE: 'true' }
  return startNode(name, JSON.parse(text).token, settings, ['nsenter', `--net=${namespace}`])
}

async function connected({ ask }: World): Promise<true | undefined> {
  const { text } = await ask('GET', '/v1/nodes')
  const all: { connected: boolean }[] = JSON.parse(text).nodes
  return all.filter((node) => node.connected).length === nodes.length ? true : undefined
}

/** Two thirds are posted, the rest is appended to the file. */
async function warmUp(world: World): Promise<void> {
  const others = Array.from({ length: warmUps }, (_, number) => `198.51.100.${number + 1}`)
  for (const [number, other] of others.entries()) {
    if (number % 3 < 2)
      await world.ask('POST', '/v1/alerts/wazuh', wazuhAlert(other, service.address4, Date.now()))
    else appendFileSync(world.eve, suricataLine(other, service.address4, Date.now()))
    await until('a first alert reaches the kernels', () => arrivals(world, other))
  }
}

async function listenToKernels(): Promise<KernelNews[]> {
  const file = fileURLToPath(new URL('kernels-process.ts', import.meta.url))
  const words = [file, ...nodes.map(({ namespace }) => namespace)]
  const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] })
  const news: KernelNews[] = []
  collect(child.stdout, news)
  await until('somebody listens to the kernels', () => news[0])
  return news
}

async function startTraffic(): Promise<World['traffic']> {
  const child = fork(new URL('traffic-process.ts', import.meta.url))
  const traffic: World['traffic'] = async (order) => {
    child.send(order)
    const [seen] = await once(child, 'message')
    return seen
  }
  await traffic({
    order: 'start',
    clientNamespace,
    clients: [
      { name: 'attacker', sources: [attacker.address4], flow: true, every: 1 },
      { name: 'attacker', sources: [...attacker.hopping], flow: false, every: 1 },
      { name: 'visitor', sources: [visitor.address4], flow: true, every: 5 },
      { name: 'visitor', sources: [visitor.address6], flow: false, every: 5 },
    ],
    nodes: [...nodes],
    tickMs,
  })
  return traffic
}
