/** The commands of the standing rules. */
import type { Argument, Command, Option } from '../command.ts'
import { reason } from './words.ts'

const file: Argument = { name: 'file', description: 'posture file' }
const ownFile: Argument = {
  name: 'file',
  description: 'posture file; without it the one that the service is set to',
  optional: true,
}
const from: Option = {
  name: 'from',
  value: 'ADDRESS',
  description: 'an address from which people administer, to be warned if it is shut out',
  many: true,
}

const why: Option = { ...reason, required: false }

export const postures: readonly Command[] = [
  {
    words: ['posture', 'check'],
    summary: 'Say whether a posture file is right, and what it would mean',
    arguments: [file],
    options: [from],
    example: 'posture check posture.yaml',
    more: 'Nobody is asked: countries are those of this machine. Whoever comes over SSH is looked at as one who administers. Exit code 3 when it is wrong. A file is such as { version: 1, postures: [{ for: group/web, rules: [{ name: no telnet, service: { ports: 23, verdict: drop } }] }] }; the README says more under "Standing rules".',
    load: async () => (await import('../posture.ts')).checkPosture,
  },
  {
    words: ['posture', 'diff'],
    summary: 'Show what applying a posture file would change',
    arguments: [ownFile],
    options: [from],
    example: 'posture diff posture.yaml',
    more: 'Nothing is changed. Audiences that the file does not name stay as they are.',
    load: async () => (await import('../posture-apply.ts')).diffPosture,
  },
  {
    words: ['posture', 'apply'],
    summary: 'Apply a posture file: sign its rules for each audience and tell the nodes',
    arguments: [ownFile],
    options: [
      {
        name: 'confirm',
        value: 'LENGTH',
        description:
          'how long a node may take to reach the service before it goes back; 10s to 10m',
      },
      { name: 'wait', description: 'until each node has kept it, gone back or refused it' },
      why,
      from,
    ],
    example: 'posture apply posture.yaml --wait --reason "only the VPN reaches ssh"',
    more: 'A node that cannot reach the service under the new rules goes back to the ones before by itself; its kernel keeps the time, so that it does though the agent died. With --wait the exit code is 3 unless each node has kept them (or would, in dry run); unheard is one that has not told of them. Whom the rules keep out may be let in for a time by "cordon allow", without another version.',
    load: async () => (await import('../posture-apply.ts')).applyPosture,
  },
  {
    words: ['posture', 'show'],
    summary: 'Print the standing rules in force, in sentences',
    arguments: [
      { name: 'audience', description: 'all, group/<name> or node/<name>', optional: true },
    ],
    options: [],
    example: 'posture show group/web',
    load: async () => (await import('../posture.ts')).showPosture,
  },
  {
    words: ['posture', 'list'],
    summary: 'Show how each node stands to its standing rules',
    arguments: [],
    options: [],
    example: 'posture list',
    more: 'Exit code 3 when a node went back, refused or failed.',
    load: async () => (await import('../posture.ts')).listPostures,
  },
  {
    words: ['posture', 'remove'],
    summary: 'Take the standing rules of an audience away',
    arguments: [{ name: 'audience', description: 'all, group/<name> or node/<name>' }],
    options: [why],
    example: 'posture remove group/web --reason "the move is over"',
    load: async () => (await import('../posture-apply.ts')).removePosture,
  },
]
