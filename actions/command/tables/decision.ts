/** The commands of decisions. */
import type { Command } from '../command.ts'
import { atOnce, audience, id, length, limit, reason } from './words.ts'

export const decisions: readonly Command[] = [
  {
    words: ['decision', 'list'],
    summary: 'List the newest decisions',
    arguments: [],
    options: [
      {
        name: 'state',
        value: 'STATE',
        choices: ['waiting', 'issued', 'applied', 'ended', 'declined', 'noted'],
        description: 'waiting, issued, applied, ended, declined or noted',
      },
      { name: 'target', value: 'ADDRESS', description: 'only on exactly this host or network' },
      limit,
    ],
    example: 'decision list --state waiting',
    load: async () => (await import('../decision.ts')).listDecisions,
  },
  {
    words: ['decision', 'show'],
    summary: 'Show a decision with its reasons, alerts, nodes and journal',
    arguments: [id],
    options: [],
    example: 'decision show d-4x7k2m9qz1hb0wfa',
    load: async () => (await import('../decision.ts')).showDecision,
  },
  {
    words: ['decision', 'approve'],
    summary: 'Issue a decision that waits for a person',
    arguments: [id],
    options: [reason, length, audience, atOnce],
    example: 'decision approve d-4x7k2m9qz1hb0wfa --reason "known bad network"',
    load: async () => (await import('../decision.ts')).approveDecision,
  },
  {
    words: ['decision', 'decline'],
    summary: 'Turn down a decision that waits for a person',
    arguments: [id],
    options: [reason],
    example: 'decision decline d-4x7k2m9qz1hb0wfa --reason "our own scanner"',
    load: async () => (await import('../decision.ts')).declineDecision,
  },
  {
    words: ['decision', 'extend'],
    summary: 'Give a block, an allow or a limit a later end, counted from now',
    arguments: [id],
    options: [reason, { ...length, required: true }],
    example: 'decision extend d-4x7k2m9qz1hb0wfa --for 7d --reason "still scanning"',
    load: async () => (await import('../decision.ts')).extendDecision,
  },
  {
    words: ['decision', 'lift'],
    summary: 'Take back one block, allow or limit; others on the same address stay',
    arguments: [id],
    options: [reason],
    example: 'decision lift d-4x7k2m9qz1hb0wfa --reason "false alarm"',
    load: async () => (await import('../decision.ts')).liftDecision,
  },
]
