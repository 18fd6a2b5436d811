/** A node under test: a namespace with a kernel of its own, and the agent in it as a process. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { AgentStatus } from '../../agent/status.ts'
import { type Host, host } from '../namespace.ts'
import { type Kernel, readKernel } from './listing.ts'
import type { NodeOrder, NodeStart } from './node-process.ts'
import { giveOrders, type Running } from './orders.ts'
import { until } from './until.ts'

/** Where the service listens; never blocked by anybody. */
export const serviceAddress = '198.51.100.1'

export type StageNode = {
  name: string
  host: Host
  running(): boolean
  /** With the one-time token at the first time. */
  start(more?: Omit<NodeStart, 'settings'> & { token?: string }): Promise<void>
  /** Ends it as a person would. */
  stop(): Promise<void>
  kill(): Promise<void>
  tell(order: NodeOrder): Promise<unknown>
  /** Resolves when the process is gone. */
  ended(): Promise<void>
  status(): Promise<AgentStatus>
  /** Resolves when its stream stands. */
  connected(): Promise<void>
  kernel(): Promise<Kernel>
  nft(...words: string[]): Promise<string>
  /** Cuts and mends the way to the service. */
  reachService(reach: boolean): Promise<void>
}

export async function makeNode(
  name: string,
  settings: { state_dir: string; enforce: true },
): Promise<StageNode> {
  const place = await placeOf(name)
  let agent: Running<NodeOrder> | undefined
  const alive = () => agent ?? missing(name)
  const ended = async () => {
    await agent?.ended
    agent = undefined
  }
  const status = async () => AgentStatus.parse(await alive().tell({ do: 'status' }))
  const nft = (...words: string[]) => place.run('nft', ...words)
  return {
    name,
    host: place,
    running: () => agent !== undefined,
    start: async ({ token, ...more } = {}) => {
      agent = giveOrders(begin(name))
      if (token !== undefined)
        await agent.tell({ do: 'enrol', token, name, stateDir: settings.state_dir })
      await agent.tell({ do: 'start', start: { settings, ...more } })
    },
    stop: async () => {
      await alive().tell({ do: 'stop' })
      alive().signal('SIGKILL')
      await ended()
    },
    kill: async () => {
      agent?.signal('SIGKILL')
      await ended()
    },
    tell: (order) => alive().tell(order),
    ended,
    status,
    connected: () =>
      until(`${name} follows the service`, async () => {
        const { connected, problems } = await status()
        return !connected && JSON.stringify(problems)
      }),
    kernel: async () => readKernel(await nft('-j', 'list', 'table', 'inet', 'cordon')),
    nft,
    reachService: async (reach) =>
      void (await place.run('ip', 'route', reach ? 'del' : 'add', 'unreachable', serviceAddress)),
  }
}

/** With its addresses on its interface, as a machine has them, so that the agent finds them to be its own. */
async function placeOf(name: string): Promise<Host> {
  const place = await host(name, [])
  await place.run('ip', 'addr', 'add', `${place.address4}/32`, 'dev', 'eth0')
  await place.run('ip', '-6', 'addr', 'add', `${place.address6}/128`, 'dev', 'eth0', 'nodad')
  return place
}

function begin(name: string) {
  const file = fileURLToPath(new URL('./node-process.ts', import.meta.url))
  return spawn('ip', ['netns', 'exec', name, process.execPath, file], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
}

function missing(name: string): never {
  throw new Error(`the agent of ${name} does not run`)
}
