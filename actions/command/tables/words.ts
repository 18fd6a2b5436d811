/** Arguments and options that several commands take. */
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
