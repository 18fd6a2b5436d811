/** The commands of the agent on its node. */
import type { Command } from '../command.ts'

export const agent: readonly Command[] = [
  {
    words: ['agent', 'enrol'],
    summary: 'Make this machine a node, with the token that "node enrol" gave',
    arguments: [{ name: 'token', description: 'works once and for a short time' }],
    options: [{ name: 'name', value: 'NODE', description: 'the host name when not given' }],
    example: 'agent enrol cordon_enrol_eyJ1cmwiOiJodHRw --name web-01',
    load: (parts) => parts.agent('enrol'),
  },
  {
    words: ['agent', 'run'],
    summary: 'Run the agent of this node',
    arguments: [],
    options: [],
    example: 'agent run',
    more: 'Blocks only with CORDON_AGENT_ENFORCE=true, and as root; else prints what it would do.',
    load: (parts) => parts.agent('run'),
  },
  {
    words: ['agent', 'check'],
    summary: 'Check whether this node could do its work',
    arguments: [],
    options: [],
    example: 'agent check',
    more: 'Exit code 3 when it could not.',
    load: (parts) => parts.agent('check'),
  },
  {
    words: ['agent', 'status'],
    summary: 'Ask the running agent how it fares',
    arguments: [],
    options: [],
    example: 'agent status --json',
    more: 'Exit code 3 when it is not well.',
    load: (parts) => parts.agent('status'),
  },
  {
    words: ['agent', 'clear'],
    summary: "Take everything of Cordon out of this host's firewall",
    arguments: [],
    options: [
      { name: 'dry-run', description: 'only say what would be taken out' },
      { name: 'forget', description: 'also remove what the state folder holds, after asking' },
      { name: 'yes', description: 'do not ask' },
    ],
    example: 'agent clear --dry-run',
    more: 'Stop the agent first. Exit code 3 when the state folder was to be removed and was kept.',
    load: (parts) => parts.agent('clear'),
  },
]
