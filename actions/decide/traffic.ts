/** Which part of a target's traffic is meant, in words: the same ones wherever a person reads of it. */
import type { Direction } from '#contract/action.ts'

/** As a decision holds it or an answer shows it, which may be of a newer service; what is absent does not narrow. */
export type Shown = {
  readonly direction: string | null
  readonly interface?: string | null | undefined
  readonly peer?: string | null | undefined
  readonly peer_interface?: string | null | undefined
  readonly protocol?: string | null | undefined
  readonly ports?: readonly string[] | null | undefined
}

/** As a sentence about the target goes on. */
export function printWay(direction: string | null | undefined): string {
  return lookUp(ways, direction) ?? ways.in
}

const ways: Readonly<Record<Direction, string>> = {
  in: 'coming in',
  out: 'going out',
  both: 'both ways',
  forward: 'passing through',
  forward_from: 'passing through from it',
  forward_to: 'passing through to it',
}

/** `tcp port 22 at eth0 to 192.0.2.10 at eth1`: what narrows it besides its way; empty for all traffic. */
export function printNarrowing(shown: Shown): string {
  return joined([portsOf(shown), sidesOf(shown)])
}

/**
 * `outgoing tcp port 22`, `forwarded from it at eth0 to 192.0.2.10`; empty for all of what is usual: of `in` for what is
 * stopped, of `both` for what is allowed. In a column of a table ports stand without their word.
 */
export function printOnly(action: string, shown: Shown, ports = portsOf(shown)): string {
  const half = lookUp(halves, shown.direction)
  const way = half === undefined ? wayOf(action, shown.direction) : ''
  return joined([way, ports, half, sidesOf(shown)])
}

const halves = { forward_from: 'forwarded from it', forward_to: 'forwarded to it' }

function wayOf(action: string, direction: string | null): string {
  if (direction === 'forward') return 'forwarded'
  if (direction === 'out') return 'outgoing'
  return action === 'allow' && direction === 'in' ? 'incoming' : ''
}

function portsOf({ protocol, ports }: Shown): string {
  const many = ports && (ports.length > 1 || ports.some((one) => one.includes('-')))
  return joined([protocol, ports && `${many ? 'ports' : 'port'} ${ports.join(', ')}`])
}

/** The target's side first; whether the peer gets or sends it is what the preposition says. */
function sidesOf({ direction, interface: name, peer, peer_interface: beyond }: Shown): string {
  const towards = lookUp(prepositions, direction) ?? 'with'
  const met = peer || beyond ? `${towards} ${peer || 'anybody'}` : ''
  return joined([name && `at ${name}`, met, beyond && `at ${beyond}`])
}

const prepositions = { in: 'to', forward_from: 'to', out: 'from', forward_to: 'from' }

function lookUp(words: Readonly<Record<string, string>>, name: string | null | undefined) {
  return words[name ?? '']
}

function joined(parts: readonly (string | null | undefined)[]): string {
  return parts.filter(Boolean).join(' ')
}
