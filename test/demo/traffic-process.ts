/**
 * The traffic of the demo: echo requests from every client to every node at each tick, and one TCP flow a client to the
 * first node. What a node received is read at the node, behind its firewall, not guessed from answers.
 */
import { Flow, type FlowSeen } from './flow.ts'
import { Pings, type PingsSeen } from './pings.ts'

export type TrafficOrder =
  | {
      order: 'start'
      clientNamespace: string
      clients: ClientOrder[]
      nodes: NodeOrder[]
      tickMs: number
    }
  | { order: 'look' }
  | { order: 'quiet' }
/** A client with several sources changes its address with every ping. It pings at every so many ticks. */
export type ClientOrder = { name: string; sources: string[]; flow: boolean; every: number }
export type NodeOrder = { namespace: string; address4: string; address6: string }

/** In the order of the clients. All times in monotonic ns. */
export type TrafficSeen = { pings: PingsSeen[]; flows: (FlowSeen | null)[] }

let pings: Pings | undefined
let flows: (Flow | undefined)[] = []
let ticking: NodeJS.Timeout | undefined

process.on('message', (order: TrafficOrder) => {
  if (order.order === 'start') start(order)
  if (order.order === 'quiet') clearInterval(ticking)
  const seen: TrafficSeen = {
    pings: pings?.seen(now()) ?? [],
    flows: flows.map((flow) => flow?.seen() ?? null),
  }
  process.send?.(seen)
})
process.once('disconnect', () => process.exit(1))

function start(order: Extract<TrafficOrder, { order: 'start' }>): void {
  const [first] = order.nodes
  const all = new Pings(order)
  pings = all
  flows = order.clients.map(({ flow, sources: [source] }) =>
    flow && first && source
      ? new Flow(
          { client: order.clientNamespace, source },
          { node: first.namespace, to: first.address4 },
        )
      : undefined,
  )
  ticking = setInterval(() => {
    all.tick(now())
    for (const flow of flows) flow?.tick(now())
  }, order.tickMs)
}

function now(): number {
  return Number(process.hrtime.bigint())
}
