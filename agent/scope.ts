/** What an order is beyond a plain block, and the elements it comes to. Pure. */
import { z } from 'zod'
import {
  InterfaceName,
  isForwarding,
  mostPorts,
  PortRange,
  Protocol,
  Rate,
  type StandingAction,
} from '#contract/action.ts'
import { type Address, readAddress } from '#contract/address.ts'
import type { PortSide, PortSpan, ScopedElement, ScopedWay } from './kernel/firewall.ts'
import { placeOf } from './kernel/scoped.ts'
import type { Claim } from './wished.ts'

/** A block by drop of all that comes, goes or both has none of it, and goes another way: hundreds of thousands do. */
export const Scoped = z.strictObject({
  action: z.enum(['allow', 'limit']).optional(),
  response: z.literal('reject').optional(),
  interface: InterfaceName.optional(),
  peer: z.string().optional(),
  peer_interface: InterfaceName.optional(),
  protocol: Protocol.optional(),
  ports: z.array(PortRange).min(1).max(mostPorts).optional(),
  rate: Rate.optional(),
})
export type Scoped = z.infer<typeof Scoped>

/** Undefined for a plain block. */
export function scopedOf(order: StandingAction): Scoped | undefined {
  const { interface: device, peer, peer_interface, protocol, ports } = order
  if (isPlain(order)) return undefined
  const scoped: Scoped = {
    ...(order.action === 'block' ? {} : { action: order.action }),
    ...(order.action === 'block' && order.response === 'reject' ? { response: 'reject' } : {}),
    ...(device === undefined ? {} : { interface: device }),
    ...(peer === undefined ? {} : { peer }),
    ...(peer_interface === undefined ? {} : { peer_interface }),
    ...(protocol === undefined ? {} : { protocol }),
    ...(ports === undefined ? {} : { ports }),
    ...(order.action === 'limit' ? { rate: order.rate } : {}),
  }
  return scoped
}

/** A block by drop of all that comes, goes or both, which every firewall can do. */
export function isPlain(order: StandingAction): boolean {
  if (order.action !== 'block' || order.response === 'reject') return false
  const narrowed = order.interface ?? order.peer ?? order.protocol ?? order.ports
  return !isForwarding(order.direction) && narrowed === undefined
}

/** An element whose layer is still to be found. */
export type Unplaced = Omit<ScopedElement, 'layer' | 'end'>

/** Both directions of a limit are counted together, and so are all its ports. */
export function elementsOf(
  { direction, target }: Pick<Claim, 'direction' | 'target'>,
  scoped: Scoped,
  address: Address,
): Unplaced[] {
  const { interface: device, peer_interface: peerInterface, protocol, rate } = scoped
  const peer = scoped.peer === undefined ? undefined : readAddress(scoped.peer)
  const verdict = scoped.action ?? (scoped.response === 'reject' ? 'reject' : 'drop')
  const spans = scoped.ports && mergedSpans(scoped.ports)
  const same = [direction, target, device, protocol, spans?.map(({ low, high }) => [low, high])]
  const ends = peer || peerInterface ? [peer?.text, peerInterface] : []
  const limit = rate && { name: JSON.stringify([...same, rate, ...ends]), rate }
  const where = { address, interface: device, peer, peerInterface }
  const ways: readonly ScopedWay[] = direction === 'both' ? ['in', 'out'] : [direction]
  return ways.flatMap((way) =>
    spansOf(scoped, way, direction === 'both', spans).map(
      (ports): Unplaced => ({ verdict, way, ...where, protocol, ports, limit }),
    ),
  )
}

/**
 * What is let in by its port is answered, where what goes out is let through too. The other way round it is not: whom we
 * may ask could then reach any port here by asking from that one.
 */
function spansOf(
  { action }: Scoped,
  way: ScopedWay,
  both: boolean,
  spans: readonly PortSpan[] | undefined,
): readonly (PortSpan | undefined)[] {
  if (!spans) return [undefined]
  const answers = action === 'allow' && way === 'out' && both
  return answers ? [...spans, ...spans.map((span) => ({ ...span, side: source }))] : spans
}

const source: PortSide = 'source'

/** In order and apart. */
function mergedSpans(ranges: readonly string[]): PortSpan[] {
  const sorted = ranges
    .map((text) => {
      const [low = 0, high = low] = text.split('-').map(Number)
      return { low, high, side: 'destination' as const }
    })
    .sort((a, b) => a.low - b.low)
  const merged: PortSpan[] = []
  for (const span of sorted) {
    const before = merged.at(-1)
    if (before && span.low <= before.high + 1)
      merged[merged.length - 1] = { ...before, high: Math.max(before.high, span.high) }
    else merged.push(span)
  }
  return merged
}

/** The same place and key: what several decisions say of it is one element. */
export function identityOf(element: Unplaced): string {
  const { address, interface: device, peer, peerInterface, protocol, ports, limit } = element
  const ends = `${device ?? ''} ${address.text} ${peerInterface ?? ''} ${peer?.text ?? ''}`
  const span = ports ? `${ports.low}-${ports.high}` : ''
  return `${placeOf(element)} ${ends} ${protocol ?? ''} ${span} ${limit?.name ?? ''}`
}

/** Whether one packet can come or leave by both; * is any. */
export function interfacesMeet(a: string, b: string): boolean {
  if (a.endsWith('*') && b.endsWith('*')) {
    const [one, other] = [a.slice(0, -1), b.slice(0, -1)]
    return one.startsWith(other) || other.startsWith(one)
  }
  if (a.endsWith('*')) return b.startsWith(a.slice(0, -1))
  if (b.endsWith('*')) return a.startsWith(b.slice(0, -1))
  return a === b
}
