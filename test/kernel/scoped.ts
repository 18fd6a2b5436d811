/** Scoped elements for tests, at a clock that stands at nought. */
import type { Protocol } from '#contract/action.ts'
import { readAddress } from '#contract/address.ts'
import type { ScopedElement } from '../../agent/kernel/firewall.ts'

export const rate = { packets: 1, per: 'hour', burst: 3 } as const

type More = Partial<ScopedElement> & { port?: number | [low: number, high: number] }

/** Of `port` the protocol is udp, unless another is named. */
export function element(
  verdict: ScopedElement['verdict'],
  way: ScopedElement['way'],
  text: string,
  { port, ...more }: More = {},
): ScopedElement {
  const [low, high] = typeof port === 'number' ? [port, port] : (port ?? [0, 0])
  const protocol: Protocol = more.protocol ?? 'udp'
  return {
    ...{ verdict, way, address: readAddress(text), layer: 0, end: 60_000 },
    ...(verdict === 'limit' ? { limit: { name: `limit of ${text}`, rate } } : {}),
    ...(port === undefined ? {} : { protocol, ports: { low, high, side: 'destination' } }),
    ...more,
  }
}
