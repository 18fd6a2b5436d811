/** The commands of addresses: block, allow, limit, lift, why. */
import type { Command } from '../command.ts'
import { address, atOnce, audience, direction, length, narrowing, reason } from './words.ts'

export const addresses: readonly Command[] = [
  {
    words: ['block'],
    summary: 'Block an address by hand',
    arguments: [address],
    options: [
      reason,
      length,
      audience,
      direction,
      ...narrowing,
      { name: 'reject', description: 'tell the sender, instead of dropping in silence' },
      atOnce,
    ],
    example: 'block 203.0.113.7 --for 4h --reason "seen in three incidents"',
    more: 'Waits up to two seconds and says in how many kernels it is by then. Exit code 3 when a node refused it, which says why, when the named audience has no node, or when a second person has to approve it. What A may not send through a router to B, in at eth0 and out at eth1: "block A --direction forward_from --interface eth0 --peer B --peer-interface eth1"; for what B sends to A it is forward_to, for the two forward.',
    load: async () => (await import('../manual.ts')).block,
  },
  {
    words: ['allow'],
    summary: 'Let an address pass for a time, although decisions, lists or standing rules stop it',
    arguments: [address],
    options: [reason, { ...length, required: true }, audience, direction, ...narrowing],
    example: 'allow 203.0.113.7 --for 2h --reason "a partner tests until noon"',
    more: 'While all of its traffic is allowed, the policy makes no new block of it. Standing rules let it begin connections whatever they say of countries, services, rates and the default: in and both to the node and through it, forward and forward_from through it only; with ports, to these only, as it addressed them. What other firewalls of the host close stays closed. What protect names needs no allow. What A may send through a router to B, whatever else blocks it: "allow A --direction forward_from --peer B". Exit code 3 when a node refused it, or when the named audience has no node.',
    load: async () => (await import('../manual.ts')).allow,
  },
  {
    words: ['limit'],
    summary: 'Let only so many packets of an address pass',
    arguments: [address],
    options: [
      reason,
      {
        name: 'rate',
        value: 'RATE',
        description: 'packets a second, minute or hour, such as 20/second',
        required: true,
      },
      {
        name: 'burst',
        value: 'N',
        description: 'so many at once; as many as in the rate when not set',
      },
      length,
      audience,
      direction,
      ...narrowing,
      atOnce,
    ],
    example: 'limit 203.0.113.7 --rate 20/second --burst 40 --for 1h --reason "noisy crawler"',
    more: 'A network is limited as a whole. Exit code as for "block".',
    load: async () => (await import('../manual.ts')).limit,
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
    summary: 'Say whether and why an address is blocked or allowed, until when and where',
    arguments: [address],
    options: [],
    example: 'why 203.0.113.7',
    more: 'Also what is ordered on others with this address at the other end. Exit code 3 when no kernel has confirmed that it is blocked.',
    load: async () => (await import('../address.ts')).why,
  },
  {
    words: ['blocked', 'list'],
    summary: 'List all that is blocked, limited or allowed now, with what it still stops',
    arguments: [],
    options: [],
    example: 'blocked list --json',
    load: async () => (await import('../address.ts')).listBlocked,
  },
]
