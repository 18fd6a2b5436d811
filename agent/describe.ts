/** How the agent is, in the words of the status socket and of the heartbeat: one truth for both. */
import { mostFeeds } from '#contract/feed.ts'
import { mostPostures } from '#contract/posture.ts'
import type { Heartbeat } from '#contract/receipt.ts'
import type { Clock, LocalClock } from './clock.ts'
import type { Enforcer } from './enforce.ts'
import type { Feeds } from './feeds.ts'
import type { Hits } from './hits.ts'
import type { Firewall } from './kernel/firewall.ts'
import type { Lookout } from './lookout.ts'
import type { Postures } from './posture.ts'
import type { Reporter } from './report.ts'
import type { AgentStatus } from './status.ts'
import type { Troubles } from './troubles.ts'
import type { Wished } from './wished.ts'

export type Described = {
  version: string
  started: number
  firewall: Firewall
  enforcer: Enforcer
  feeds: Feeds
  postures: Postures
  hits: Hits
  wished: Wished
  clock: Clock
  local(): LocalClock
  troubles: Troubles
  cursor(): string
}

export function describeForService(agent: Described): Omit<Heartbeat, 'events'> {
  const { version, started, firewall, wished, troubles, cursor } = agent
  const feeds = agent.feeds.receipts.slice(0, mostFeeds)
  const postures = agent.postures.receipts.slice(0, mostPostures)
  const hits = agent.hits.news()
  return {
    version,
    backend: firewall.name,
    enforcing: enforces(agent),
    cursor: cursor(),
    claims: wished.size,
    elements: wished.countElements(),
    clock_offset_ms: offset(agent),
    started,
    ...(feeds.length > 0 ? { feeds } : {}),
    ...(postures.length > 0 ? { postures } : {}),
    ...(hits.length > 0 ? { hits } : {}),
    ...troubles.worst(),
  }
}

export function describeForPerson(
  agent: Described,
  more: Pick<AgentStatus, 'node' | 'service' | 'last_healing'>,
  lookout: Lookout,
  reporter: Reporter,
): AgentStatus {
  const { firewall, clock, troubles } = agent
  const { problem: _, version: __, hits: ___, ...rest } = describeForService(agent)
  const { waiting, givenUp } = reporter.backlog
  return {
    ...more,
    ...rest,
    ...(firewall.fallback === undefined ? {} : { fallback: firewall.fallback }),
    connected: !troubles.get('service') && clock.measured,
    now: clock.now(),
    clock_measured: clock.measured,
    scoped: agent.wished.scopes.size,
    hits: agent.hits.total,
    receipts_waiting: waiting,
    receipts_given_up: givenUp,
    problems: troubles.list(),
    protected: lookout.here.map(({ address, why }) => ({ address: address.text, why })),
  }
}

/** Only when a back end that touches the kernel holds what is wished. */
function enforces({ firewall, enforcer }: Described): boolean {
  return firewall.enforcing && enforcer.problem === undefined
}

/** The service's clock less the node's. */
function offset({ clock, local }: Described): number {
  return Math.round(clock.now() - local().wall)
}
