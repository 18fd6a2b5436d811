/** Which events there are, how urgent each is, and whether a channel wants to hear of it. */
import type { ChannelSettings, Urgency } from '#contract/channel.ts'

/** A person is waited for, or a node does not do what it should. */
const high = new Set([
  'decision.wait',
  'decision.second',
  'decision.timeout_block',
  'decision.halt',
  'receipt.failed',
  'node.degraded',
  'node.silent',
  'node.head_withheld',
  'connector.silent',
  'posture.reverted',
  'posture.refused',
  'posture.failed',
  'node.cut_off',
  'epoch.begin',
])
/** What was wanted or heals by itself. */
const low = new Set([
  'decision.approve',
  'decision.decline',
  'decision.expire',
  'decision.extend',
  'decision.lift',
  'decision.prolong',
  'decision.confirm',
  'decision.rollout',
  'list.ready',
  'places.ready',
  'provider.ready',
  'connector.ready',
  'node.back',
  'node.invite',
  'node.recovered',
  'node.resynchronised',
])

/** What every start of every node brings, three times over: told to who names it or wants all, and not for `node.*`. */
const unasked = new Set(['node.resynchronised'])

export function urgencyOf(event: string): Urgency {
  if (high.has(event)) return 'high'
  return low.has(event) ? 'low' : 'normal'
}

const rank: Record<Urgency, number> = { low: 0, normal: 1, high: 2 }

export function wants(
  { events, min_urgency }: Pick<ChannelSettings, 'events' | 'min_urgency'>,
  event: string,
): boolean {
  if (rank[urgencyOf(event)] < rank[min_urgency]) return false
  if (unasked.has(event)) return events.some((pattern) => pattern === '*' || pattern === event)
  const noun = event.slice(0, event.indexOf('.'))
  return events.some((pattern) => pattern === '*' || pattern === event || pattern === `${noun}.*`)
}
