/** The commands of the policy. */
import type { Argument, Command, Option } from '../command.ts'

const policyFile: Argument = { name: 'file', description: 'policy file' }
const replayed: readonly Option[] = [
  { name: 'since', value: 'TIME', description: 'a time, a day, or how long ago; 7d when not set' },
  { name: 'until', value: 'TIME', description: 'the same; now when not set' },
]
export const policies: readonly Command[] = [
  {
    words: ['policy', 'check'],
    summary: 'Say whether the service would take a policy file',
    arguments: [policyFile],
    options: [],
    example: 'policy check policy.yaml',
    more: 'Exit code 3 when it would not: something is wrong in it, or a test of its own fails.',
    load: async () => (await import('../policy.ts')).checkPolicy,
  },
  {
    words: ['policy', 'test'],
    summary: 'Run the tests that a policy file carries',
    arguments: [policyFile],
    options: [],
    example: 'policy test policy.yaml',
    more: 'Exit code 3 when one fails.',
    load: async () => (await import('../policy.ts')).testPolicy,
  },
  {
    words: ['policy', 'show'],
    summary: 'Print the policy in force',
    arguments: [],
    options: [],
    example: 'policy show > policy.yaml',
    load: async () => (await import('../policy.ts')).showPolicy,
  },
  {
    words: ['policy', 'reload'],
    summary: 'Make the service read its policy file again',
    arguments: [],
    options: [],
    example: 'policy reload',
    more: 'A wrong file is refused and the policy in force stays.',
    load: async () => (await import('../policy.ts')).reloadPolicy,
  },
  {
    words: ['policy', 'simulate'],
    summary: 'Replay stored alerts under a draft and show what would change',
    arguments: [],
    options: [
      ...replayed,
      { name: 'policy', value: 'FILE', description: 'the draft; without it the policy in force' },
      { name: 'rule', value: 'NAME', description: 'only what this rule decides' },
      {
        name: 'fail-on',
        value: 'WHAT',
        choices: ['new-blocks', 'protected'],
        description: 'exit code 1 for any new-blocks, or if protected addresses are hit',
        many: true,
      },
    ],
    example: 'policy simulate --since 7d --policy draft.yaml',
    more: 'A draft is compared with the policy in force over the same alerts; the policy in force with what was decided then. What people decided is not replayed. Nothing is changed.',
    load: async () => (await import('../simulate.ts')).simulatePolicy,
  },
  {
    words: ['policy', 'suggest'],
    summary: 'Propose changes of the policy from what was observed, with their effect',
    arguments: [],
    options: replayed,
    example: 'policy suggest --since 14d',
    more: 'Each is a diff of the policy. Nothing is changed: copy what you want, and try it with policy simulate.',
    load: async () => (await import('../suggest.ts')).suggestPolicy,
  },
]
