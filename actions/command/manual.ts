/** `cordon block`, `cordon allow` and `cordon limit`: what a person orders about an address. */
import { InterfaceName, PortRange, Protocol } from '#contract/action.ts'
import { maybeAddress } from '#contract/address.ts'
import { Audience } from '#contract/audience.ts'
import { Duration } from '#contract/duration.ts'
import { printable } from '#contract/printable.ts'
import { nearest, Problem } from '#contract/problem.ts'
import { answer } from './answer.ts'
import { openClient } from './client.ts'
import type { Asked, Handler, Io } from './command.ts'
import { confirmSeconds, One, printOutcome, reached } from './decision.ts'

export const block: Handler = (asked, io) =>
  order(asked, io, {
    ...(asked.flag('reject') && { response: 'reject' }),
    ...(asked.flag('at-once') && { at_once: true }),
  })
export const allow: Handler = (asked, io) => order(asked, io, { action: 'allow' })
export const limit: Handler = (asked, io) =>
  order(asked, io, {
    action: 'limit',
    rate: readRate(asked.required('rate'), asked.option('burst')),
    ...(asked.flag('at-once') && { at_once: true }),
  })

async function order(asked: Asked, io: Io, more: object): Promise<number> {
  const audience = asked.options('audience').map(readAudience)
  const ports = asked.options('port').flatMap((text) => text.split(',').map(readPorts))
  const body = {
    target: asked.argument('address'),
    for: readLength(asked.option('for')),
    reason: asked.required('reason'),
    direction: asked.option('direction'),
    interface: readInterface(asked.option('interface')),
    peer: readPeer(asked.option('peer')),
    peer_interface: readInterface(asked.option('peer-interface')),
    protocol: readProtocol(asked.option('protocol')),
    ...(ports.length > 0 && { ports }),
    ...(audience.length > 0 && { audience }),
    ...more,
  }
  const path = `/v1/decisions?wait_s=${confirmSeconds}`
  const client = openClient(io.environment)
  const { decision, notice } = await client.post(path, body, One)
  if (notice !== undefined) io.err(`note: ${printable(notice)}\n`)
  answer(asked, io, decision, () => printOutcome(decision, io))
  if (decision.state === 'waiting') return 3
  return reached(client, decision, audience, io)
}

/** Throws `usage`. */
function readLength(text: string | undefined): string | undefined {
  if (text === undefined || Duration.safeParse(text).success) return text
  throw new Problem('usage', `"${printable(text, 40)}" is no length of time`, {
    remedy:
      'write a number and a unit, such as 90s, 15m, 4h, 7d; every order ends, after 366d at most',
  })
}

/** Throws `usage`. */
function readAudience(text: string): string {
  if (Audience.safeParse(text).success) return text
  throw new Problem(
    'usage',
    `"${printable(text, 40)}" is neither all nor group/<name> nor node/<name>`,
    {
      remedy: '"cordon node list" shows the nodes and their groups',
    },
  )
}

/** Throws `usage`. */
function readInterface(text: string | undefined): string | undefined {
  if (text === undefined || InterfaceName.safeParse(text).success) return text
  throw new Problem('usage', `"${printable(text, 40)}" is no name of an interface`, {
    remedy:
      'write it as "ip link" shows it, such as eth0, 15 characters at most; ppp* is each whose name begins so',
  })
}

/** Throws `usage`. */
function readPeer(text: string | undefined): string | undefined {
  if (text === undefined || maybeAddress(text)) return text
  throw new Problem('usage', `the peer "${printable(text, 60)}" is no IPv4 or IPv6 address`, {
    remedy: 'write a host or a network, such as 192.0.2.10 or 192.0.2.0/24',
  })
}

/** Throws `usage`. */
function readProtocol(text: string | undefined): string | undefined {
  if (text === undefined || Protocol.safeParse(text).success) return text
  const guess = nearest(text.toLowerCase(), Protocol.options)
  throw new Problem('usage', `"${printable(text, 40)}" is no protocol`, {
    remedy: guess ? `did you mean ${guess}?` : `write one of ${Protocol.options.join(', ')}`,
  })
}

/** Throws `usage`. */
function readPorts(text: string): string {
  const ports = PortRange.safeParse(text.trim())
  if (ports.success) return ports.data
  throw new Problem('usage', `"${text.trim()}" is no port`, {
    remedy: 'write 22, or several as 22,8000-8100; what they are ports of is --protocol tcp',
  })
}

/** Throws `usage`. */
function readRate(text: string, burst: string | undefined) {
  const [, count = '', unit = ''] = /^(\d{1,7})\/(s|m|h|second|minute|hour)$/.exec(text) ?? []
  const per = { s: 'second', m: 'minute', h: 'hour' }[unit[0] ?? '']
  const packets = Number(count)
  const most = burst === undefined ? Math.min(packets, 65_535) : readBurst(burst)
  if (per !== undefined && packets >= 1 && packets <= 1_000_000)
    return { packets, per, burst: most }
  throw new Problem('usage', `"${text}" is no rate`, {
    remedy: 'write packets a second, minute or hour, such as 20/second; a million at most',
  })
}

function readBurst(text: string): number {
  const burst = Number(text)
  if (/^\d+$/.test(text) && burst >= 1 && burst <= 65_535) return burst
  throw new Problem('usage', `"${text}" is no burst`, { remedy: 'write a number from 1 to 65535' })
}
