/** The agent in a process of its own, which dies where a test says. Its parts are the product's. */
import { type Agent, type AgentOn, runAgent } from '../../agent/agent.ts'
import type { Service } from '../../agent/connect.ts'
import { enrol } from '../../agent/enrol.ts'
import type { Firewall } from '../../agent/kernel/firewall.ts'
import { machine } from '../../agent/main.ts'
import { AgentSettings } from '../../agent/settings.ts'
import type { Places } from '../../agent/surroundings.ts'
import { answerOrders, die } from './orders.ts'

export type NodeStart = {
  settings: Record<string, unknown>
  /** Another boot of the machine than the last, by a wall clock that is so far ahead. */
  reboot?: { name: string; aheadMs: number }
  dieAt?: Death
  /** Other files of the machine than its own, and what else the name of the service leads to. */
  places?: Partial<Places>
  named?: string[]
}
/** `apply`: remembered, not in the kernel. `applied`: in the kernel, not reported. `receipt`: as it is reported. */
export type Death = 'apply' | 'applied' | 'receipt'
export type NodeOrder =
  | { do: 'enrol'; token: string; name: string; stateDir: string }
  | { do: 'start'; start: NodeStart }
  | { do: 'die'; at: Death }
  /** The kernel refuses every change while it is so ordered. */
  | { do: 'refuse'; refuse: boolean }
  /** A change to the kernel waits until `false` lets it through. */
  | { do: 'hold'; hold: boolean }
  | { do: 'status' }
  /** What it wrote into the log of the node. */
  | { do: 'said' }
  | { do: 'stop' }

let agent: Agent | undefined
let said = ''
let death: Death | undefined
let refusing = false
let held = Promise.withResolvers<void>()
held.resolve()

answerOrders<NodeOrder>(async (order) => {
  if (order.do === 'enrol') return enrol(order.token, order.name, order.stateDir, Date.now())
  if (order.do === 'start') return start(order.start)
  if (order.do === 'die') death = order.at
  if (order.do === 'refuse') refusing = order.refuse
  if (order.do === 'hold') hold(order.hold)
  if (order.do === 'status') return agent?.status() ?? null
  if (order.do === 'said') return said
  if (order.do === 'stop') await agent?.stop()
  return null
})

async function start({ settings, reboot, dieAt, places, named }: NodeStart): Promise<null> {
  death = dieAt
  const read = AgentSettings.parse(settings)
  const on = await machine(read, {
    out: (text) => process.stdout.write(text),
    err: (text) => {
      said += text
      if (process.env.CORDON_TEST_LOG) process.stderr.write(text)
    },
    environment: {},
  })
  agent = await runAgent(read, {
    ...on,
    firewall: async () => mortal(await on.firewall()),
    connect: (to) => reporting(on.connect(to)),
    // It comes back soon: there is no fleet that must not come back all at once.
    random: () => 0.02,
    places: { ...on.places, ...places },
    ...(named && { resolve: async () => named }),
    ...(reboot && { local: rebooted(on, reboot) }),
  })
  return null
}

function rebooted(on: AgentOn, { name, aheadMs }: { name: string; aheadMs: number }) {
  return () => ({ wall: on.local().wall + aheadMs, uptime: performance.now(), boot: name })
}

function hold(on: boolean): void {
  if (on) held = Promise.withResolvers<void>()
  else held.resolve()
}

function mortal(firewall: Firewall): Firewall {
  const touch = async <T>(change: () => Promise<T>): Promise<T> => {
    await held.promise
    if (refusing) throw new Error('the kernel refuses, as the test ordered')
    return change()
  }
  return {
    ...firewall,
    replace: (elements) => touch(() => firewall.replace(elements)),
    apply: async (changes) => {
      if (death === 'apply') die()
      await touch(() => firewall.apply(changes))
      if (death === 'applied') die()
    },
  }
}

function reporting(service: Service): Service {
  return {
    ...service,
    ask: (method, path, more) => {
      if (death === 'receipt' && path === '/v1/receipts') die()
      return service.ask(method, path, more)
    },
  }
}
