/** What a person orders to be done to which traffic: checked, so that a node can do just that. */
import {
  type Direction,
  type Protocol,
  peerInterfaceFits,
  portProtocols,
  type Rate,
} from '#contract/action.ts'
import { type Address, isHost, readAddress } from '#contract/address.ts'
import { Problem, toProblem } from '#contract/problem.ts'
import type { Measure, Narrowing } from '../decide/measure.ts'

export const measures = ['block', 'allow', 'limit'] as const

/** As it was asked for; what is absent is plain. */
export type Wished = {
  action?: (typeof measures)[number] | undefined
  response?: 'drop' | 'reject' | undefined
  rate?: Rate | undefined
  interface?: string | undefined
  peer?: string | undefined
  peer_interface?: string | undefined
  protocol?: Protocol | undefined
  ports?: string[] | undefined
}

/** Throws `invalid_input`. */
export function readMeasure({ action = 'block', response, rate }: Wished): Measure {
  if (response !== undefined && action !== 'block')
    throw wrong(`${action} takes no response`, 'only what is blocked can be rejected')
  if (rate !== undefined && action !== 'limit')
    throw wrong(`${action} takes no rate`, 'order a limit: cordon limit ADDRESS --rate 20/second')
  if (action === 'allow') return { action }
  if (action === 'block') return response === 'reject' ? { action, response } : { action }
  if (rate === undefined)
    throw wrong('a limit without a rate', 'say how much may pass: --rate 20/second --burst 40')
  return { action, rate }
}

/** Throws `invalid_input`, and `address_invalid` for a peer that is none. */
export function readScope(wished: Wished, target: Address, direction: Direction): Narrowing {
  const { interface: name, peer, peer_interface, protocol, ports } = wished
  const { family } = target
  if (ports !== undefined && !portProtocols.some((one) => one === protocol))
    throw wrong(
      protocol === undefined ? 'ports without a protocol' : `${protocol} has no ports`,
      `name one that has ports: ${portProtocols.join(', ')}`,
    )
  const other = family === 4 ? 'icmpv6' : 'icmp'
  if (protocol === other)
    throw wrong(
      `${protocol} is none of IPv${family}`,
      `for this target it is ${family === 4 ? 'icmp' : 'icmpv6'}`,
    )
  if (!peerInterfaceFits({ direction, peer_interface }))
    throw wrong(
      `only what is forwarded has an interface on the side of its peer, and this order is of ${direction}`,
      'make its direction forward_from, forward_to or forward, or say interface: that is the one on the side of the target',
    )
  return {
    ...(name !== undefined && { interface: name }),
    ...(peer !== undefined && { peer: readPeer(peer, target) }),
    ...(peer_interface !== undefined && { peer_interface }),
    ...(protocol !== undefined && { protocol }),
    ...(ports !== undefined && { ports }),
  }
}

/** Canonical. Hosts of one network may well pass the node on their way to each other. */
function readPeer(text: string, target: Address): string {
  const peer = addressOf(text)
  if (peer.family !== target.family)
    throw wrong(
      `the peer ${peer.text} is IPv${peer.family} and ${target.text} is IPv${target.family}: no packet is of both`,
      `name the IPv${target.family} address of the peer, or order it for each of the two by itself`,
    )
  if (peer.prefix === 0)
    throw wrong(
      `a peer ${peer.text} is everybody`,
      'leave the peer out: whoever it is, is meant then',
    )
  if (peer.text === target.text && isHost(peer))
    throw wrong(
      `${peer.text} is the target itself, and sends nothing to itself through a node`,
      'name who is at the other end: where its packets go to, or where those to it come from',
    )
  return peer.text
}

/** Throws `address_invalid`, saying of which of the two addresses. */
function addressOf(peer: string): Address {
  try {
    return readAddress(peer)
  } catch (error) {
    const { code, message, remedy } = toProblem(error)
    throw new Problem(code, `the peer ${message}`, { ...(remedy && { remedy }), cause: error })
  }
}

function wrong(message: string, remedy: string): Problem {
  return new Problem('invalid_input', message, { remedy })
}
