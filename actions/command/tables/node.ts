/** The commands of nodes. */
import type { Argument, Command } from '../command.ts'
import { length } from './words.ts'

const node: Argument = { name: 'node', description: 'name of the node' }
export const nodes: readonly Command[] = [
  {
    words: ['node', 'list'],
    summary: 'List the nodes and how they fare',
    arguments: [],
    options: [],
    example: 'node list',
    load: async () => (await import('../node.ts')).listNodes,
  },
  {
    words: ['node', 'enrol'],
    summary: 'Invite a node: prints the one command to paste there',
    arguments: [],
    options: [
      { name: 'group', value: 'NAME', description: 'group that it will be in', many: true },
      { ...length, description: 'how long the invitation holds, 1h when not set' },
    ],
    example: 'node enrol --group web',
    load: async () => (await import('../node.ts')).enrolNode,
  },
  {
    words: ['node', 'groups'],
    summary: 'Set the groups of a node',
    arguments: [
      node,
      { name: 'group', description: 'all groups that it shall be in', optional: true, many: true },
    ],
    options: [{ name: 'none', description: 'in no group' }],
    example: 'node groups web-01 web edge',
    load: async () => (await import('../node.ts')).groupNode,
  },
  {
    words: ['node', 'revoke'],
    summary: 'Revoke a node; what it enforces ends by its own time',
    arguments: [node],
    options: [],
    example: 'node revoke web-01',
    load: async () => (await import('../node.ts')).revokeNode,
  },
]
