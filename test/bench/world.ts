/** Everything that a measurement runs against, each part a process of its own: service, fleet, kernel listener. */
import { type ChildProcess, execFileSync, fork, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse, stringify } from 'yaml'
import { readAddress } from '#contract/address.ts'
import { defaultPolicyFile } from '../../actions/policy-in-force.ts'
import { fillStore } from './fill-store.ts'
import type { FleetOrder, FleetReady } from './fleet-process.ts'
import type { ServiceOrder, ServiceReady } from './service-process.ts'

export type World = {
  service: ChildProcess
  /** One for each node, for `cordon agent enrol`. */
  invitations: readonly string[]
  /** Undefined until startFleet. */
  fleet: ChildProcess | undefined
  /** Followed by the service as Suricata's eve.json. */
  eve: string
  /** Starts agents for all nodes, which are enrolled the first time, and waits until they follow the service. */
  startFleet(): Promise<void>
  stopFleet(signal: Ending): Promise<void>
  /** It comes back at the same port, with what it has on the disk. */
  restartService(signal: Ending): Promise<void>
  /** Posts a JSON body and resolves with the answer. Throws for any other status than 200 and 201. */
  post(path: string, body: string): Promise<string>
  /** The answer to a question of an administrator. */
  get(path: string): Promise<string>
  /** Monotonic ms at which the address arrived in the kernel of each node, as far as it did. */
  arrived(address: string): ReadonlyMap<number, number>
  /** Milliseconds of CPU that service and fleet have taken so far. */
  cpu(): number
  /** How many elements arrived in all, and when the last one did. */
  arrivals(): { count: number; last: number }
  close(): Promise<void>
}

/** The default policy without ceilings on numbers, since the bench is a flood. */
function benchPolicy(): string {
  const policy = parse(readFileSync(defaultPolicyFile, 'utf8'))
  policy.ceilings.blocks_per_minute = 10_000_000
  policy.ceilings.blocks_in_force = 10_000_000
  policy.tests = []
  return stringify(policy)
}

/** In good order, or as a crash. */
export type Ending = 'SIGTERM' | 'SIGKILL'

export type Wanted = {
  /** Networks that every node enforces as a whole. */
  list?: readonly string[]
  /** So many blocks are in the store from the start; of what arrives in the kernel only attackers are then known by name. */
  filled?: number
  /** What arrives in the kernel is only counted: to tell a hundred thousand by name keeps both processors busy. */
  counted?: true
}

export async function makeWorld(
  nodes: number,
  { list = [], filled = 0, counted }: Wanted = {},
): Promise<World> {
  const dir = mkdtempSync(join(tmpdir(), 'cordon-bench-'))
  const remove = () => rmSync(dir, { recursive: true, force: true })
  process.once('exit', remove)
  const namespaces = Array.from({ length: nodes }, (_, index) => `b${index}`)
  for (const name of namespaces) execFileSync('ip', ['netns', 'add', name])
  const policy = join(dir, 'policy.yaml')
  writeFileSync(policy, benchPolicy())
  const settings = {
    listen: '127.0.0.1:0',
    data_dir: join(dir, 'data'),
    policy,
    connectors: ['wazuh', 'suricata'],
    log_level: 'error',
  }
  const eve = join(dir, 'eve.json')
  writeFileSync(eve, '')
  const connectorSections = { suricata: { files: [eve], from: 'start' } }
  if (filled > 0) await fillStore(settings.data_dir, filled)
  const service = start('service-process.ts')
  const order: ServiceOrder = {
    settings,
    connectorSections,
    invitations: nodes,
    ...(list.length > 0 && { sections: { lists: [writeList(dir, list)] } }),
  }
  const ready = await ask<ServiceOrder, ServiceReady>(service, order)
  let invitations = ready.invitations
  const listener = await listen(namespaces, counted ? 'none' : filled > 0 ? 'c6' : '')
  const agent = new Agent({ keepAlive: true, maxSockets: 64 })
  const world: World = {
    service,
    invitations: ready.invitations,
    eve,
    fleet: undefined,
    startFleet: async () => {
      world.fleet = start('fleet-process.ts')
      await ask<FleetOrder, FleetReady>(world.fleet, {
        dir,
        invitations,
        namespaces,
      })
      invitations = []
    },
    stopFleet: async (signal) => {
      if (world.fleet) await end(world.fleet, signal)
      world.fleet = undefined
    },
    restartService: async (signal) => {
      await end(world.service, signal)
      world.service = start('service-process.ts')
      const again = { ...settings, listen: new URL(ready.url).host }
      await ask(world.service, { ...order, settings: again, invitations: 0 })
    },
    post: (path, body) => post(agent, ready, path, body),
    get: async (path) => {
      const headers = { authorization: `Bearer ${ready.adminToken}` }
      return (await fetch(`${ready.url}${path}`, { headers })).text()
    },
    cpu: () => cpuMs(world.service) + (world.fleet ? cpuMs(world.fleet) : 0),
    arrived: listener.arrived,
    arrivals: listener.arrivals,
    close: async () => {
      agent.destroy()
      listener.close()
      await Promise.all([end(world.service), world.fleet && end(world.fleet)])
      for (const name of namespaces) execFileSync('ip', ['netns', 'delete', name])
      process.off('exit', remove)
      remove()
    },
  }
  return world
}

function writeList(dir: string, networks: readonly string[]): object {
  const file = join(dir, 'list.txt')
  writeFileSync(file, `${networks.join('\n')}\n`)
  return { name: 'bench', file, format: 'text', enforce: true }
}

/** Resident memory in MB, from the kernel. */
export function residentMb(child: ChildProcess): number {
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1_024
}

/** CPU time so far in ms, all threads. */
function cpuMs(child: ChildProcess): number {
  const fields = readFileSync(`/proc/${child.pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10
}

/** Monotonic milliseconds, the same clock in every process. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

function start(file: string): ChildProcess {
  return fork(new URL(file, import.meta.url), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    // As cordon.ts starts them.
    execArgv: ['--max-semi-space-size=8', '--no-parallel-scavenge'],
    env: { ...process.env, NODE_COMPILE_CACHE: join(tmpdir(), 'cordon-bench-compiled') },
  })
}

function ask<Order extends object, Answer>(child: ChildProcess, order: Order): Promise<Answer> {
  return new Promise((resolve, reject) => {
    child.once('message', (answer: Answer) => resolve(answer))
    child.once('exit', (code) => reject(new Error(`a process of the bench ended with ${code}`)))
    child.send(order)
  })
}

function end(child: ChildProcess, signal: Ending = 'SIGTERM'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve()
  return new Promise((resolve) => {
    child.removeAllListeners('exit')
    child.once('exit', () => resolve())
    child.kill(signal)
    setTimeout(() => child.kill('SIGKILL'), 5_000).unref()
  })
}

/** `named`: how the keys begin that are told one by one, in hex. */
async function listen(namespaces: readonly string[], named: string) {
  const file = new URL('arrivals-process.ts', import.meta.url).pathname
  const child = spawn(process.execPath, [file, ...namespaces], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, CORDON_BENCH_NAMED: named },
  })
  const seen = new Map<string, Map<number, number>>()
  let count = 0
  let last = 0
  let rest = ''
  const take = (line: string) => {
    const [index, ns, key = ''] = line.split(' ')
    const at = Number(ns) / 1e6
    last = at
    if (key.startsWith('=')) {
      count += Number(key.slice(1))
      return
    }
    const nodes = seen.get(key) ?? new Map<number, number>()
    if (!nodes.has(Number(index))) nodes.set(Number(index), at)
    seen.set(key, nodes)
    count++
  }
  await new Promise<void>((ready) => {
    child.stdout.setEncoding('latin1').on('data', (text: string) => {
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) line === 'ready' ? ready() : take(line)
    })
  })
  const none: ReadonlyMap<number, number> = new Map()
  return {
    arrived: (address: string) =>
      seen.get(Buffer.from(readAddress(address).bytes).toString('hex')) ?? none,
    arrivals: () => ({ count, last }),
    close: () => child.kill('SIGKILL'),
  }
}

function post(
  agent: Agent,
  { url, adminToken }: ServiceReady,
  path: string,
  body: string,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = {
      authorization: `Bearer ${adminToken}`,
      'content-length': Buffer.byteLength(body),
    }
    const sent = request(`${url}${path}`, { method: 'POST', agent, headers }, (answer) => {
      let text = ''
      answer.setEncoding('utf8').on('data', (part: string) => {
        text += part
      })
      answer.on('end', () =>
        answer.statusCode === 200 || answer.statusCode === 201
          ? resolve(text)
          : reject(new Error(text)),
      )
    })
    sent.on('error', reject)
    sent.end(body)
  })
}
