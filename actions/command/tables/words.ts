/** Arguments and options that several commands take. */
import type { Direction } from '#contract/action.ts'
import type { Argument, Option } from '../command.ts'

export const reason: Option = {
  name: 'reason',
  value: 'TEXT',
  description: 'why; kept in the journal',
  required: true,
}

export const length: Option = {
  name: 'for',
  value: 'LENGTH',
  description: 'how long, such as 90s, 15m, 4h, 7d',
}

export const audience: Option = {
  name: 'audience',
  value: 'WHO',
  description: 'all, group/<name> or node/<name>',
  many: true,
}

/** Written out: what would read them from the contract is not loaded for help. */
const ways: readonly Direction[] = ['in', 'out', 'both', 'forward', 'forward_from', 'forward_to']

export const direction: Option = {
  name: 'direction',
  value: 'WAY',
  choices: ways,
  description:
    'in (when not set; both for allow), out, both; or only what passes through the node: forward_from the address, forward_to it, or forward for the two',
}

/** What part of the traffic is meant. */
export const narrowing: readonly Option[] = [
  {
    name: 'interface',
    value: 'NAME',
    description: "only by this interface on the address's side, such as eth0 or ppp*",
  },
  {
    name: 'peer',
    value: 'ADDRESS',
    description: 'only with this host or network at the other end',
  },
  {
    name: 'peer-interface',
    value: 'NAME',
    description: "only by this interface on the peer's side; of what is forwarded",
  },
  { name: 'protocol', value: 'NAME', description: 'only this protocol, such as tcp, udp, icmp' },
  {
    name: 'port',
    value: 'PORTS',
    description: 'only to these ports, such as 22,8000-8100; needs a protocol',
    many: true,
  },
]

export const atOnce: Option = {
  name: 'at-once',
  description: 'on all nodes at once, where the policy tries a wide block on a few first',
}

export const limit: Option = {
  name: 'limit',
  value: 'N',
  description: 'at most so many, 100 when not set',
}

export const id: Argument = {
  name: 'id',
  description: 'id of the decision, as "decision list" shows it',
}

export const address: Argument = {
  name: 'address',
  description: 'a host or a network, IPv4 or IPv6',
}

export const file: Argument = {
  name: 'file',
  description: 'one record a line, or JSON; - is standard input',
}
