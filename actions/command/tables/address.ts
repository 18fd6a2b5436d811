/** The commands of addresses: block, lift, why. */
import type { Command } from '../command.ts'
import { address, audience, length, reason } from './words.ts'

export const addresses: readonly Command[] = [
  {
    words: ['block'],
    summary: 'Block an address by hand',
    arguments: [address],
    options: [
      reason,
      length,
      audience,
      {
        name: 'direction',
        value: 'WAY',
        choices: ['in', 'out', 'both'],
        description: 'in, out or both',
      },
    ],
    example: 'block 203.0.113.7 --for 4h --reason "seen in three incidents"',
    more: 'Waits up to two seconds and says in how many kernels it is by then. Exit code 3 when the named audience has no node, or a second person has to approve it.',
    load: async () => (await import('../decision.ts')).block,
  },
  {
    words: ['lift'],
    summary: 'Lift all blocks on an address or within a network, and say what still covers it',
    arguments: [address],
    options: [reason],
    example: 'lift 203.0.113.7 --reason "false alarm"',
    load: async () => (await import('../address.ts')).liftAddress,
  },
  {
    words: ['why'],
    summary: 'Say whether and why an address is blocked, until when and where',
    arguments: [address],
    options: [],
    example: 'why 203.0.113.7',
    more: 'Exit code 3 when no kernel has confirmed that it is blocked.',
    load: async () => (await import('../address.ts')).why,
  },
  {
    words: ['blocked', 'list'],
    summary: 'List all that is blocked now',
    arguments: [],
    options: [],
    example: 'blocked list --json',
    load: async () => (await import('../address.ts')).listBlocked,
  },
]
