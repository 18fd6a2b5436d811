/** The commands of the review queue, and of what people said there. */
import type { Argument, Command, Option } from '../command.ts'
import { reason } from './words.ts'

const id: Argument = { name: 'id', description: 'id of the decision, as "review list" shows it' }
const ids: Argument = {
  ...id,
  description: `${id.description}, or several`,
  optional: true,
  many: true,
}
const filter: readonly Option[] = [
  { name: 'rule', value: 'RULE', description: 'asked by this rule' },
  { name: 'target', value: 'NETWORK', description: 'about this network or within it' },
  { name: 'older-than', value: 'LENGTH', description: 'waiting for longer than this' },
]
const bulk: readonly Option[] = [
  ...filter,
  { name: 'all', description: 'every question' },
  { name: 'yes', description: 'do it; without it what is found is only shown' },
]
const byFilter =
  'Instead of ids, --rule, --target, --older-than or --all: then what would be answered is shown (exit code 3), and --yes does it.'
const second = 'Exit code 3 too when a second person has to say the same.'

export const reviews: readonly Command[] = [
  {
    words: ['review', 'list'],
    summary: 'List what waits for a person, oldest first',
    arguments: [],
    options: [
      ...filter,
      { name: 'limit', value: 'N', description: 'at most so many, 50 when not set' },
    ],
    example: 'review list --older-than 1h',
    load: async () => (await import('../review.ts')).listReview,
  },
  {
    words: ['review', 'show'],
    summary: 'Show a question with all that is needed to answer it',
    arguments: [id],
    options: [],
    example: 'review show d-4x7k2m9qz1hb0wfa',
    load: async () => (await import('../review.ts')).showReview,
  },
  {
    words: ['review', 'approve'],
    summary: 'Approve one question or many: the block is issued',
    arguments: [ids],
    options: [
      reason,
      {
        name: 'for',
        value: 'LENGTH',
        description: 'another length than was asked about, such as 4h',
      },
      {
        name: 'audience',
        value: 'WHO',
        description: 'all, group/<name> or node/<name>; another than was asked about',
        many: true,
      },
      ...bulk,
    ],
    example: 'review approve d-4x7k2m9qz1hb0wfa --reason "known bad network"',
    more: `${byFilter} ${second}`,
    load: async () => (await import('../review-answer.ts')).approveReview,
  },
  {
    words: ['review', 'decline'],
    summary: 'Decline one question or many: nothing is blocked',
    arguments: [ids],
    options: [reason, ...bulk],
    example: 'review decline --rule "high alert" --older-than 1h --reason "our own test"',
    more: byFilter,
    load: async () => (await import('../review-answer.ts')).declineReview,
  },
  {
    words: ['review', 'ignore'],
    summary: 'Make nothing of alerts like these for a time; the questions are declined',
    arguments: [ids],
    options: [
      reason,
      { name: 'for', value: 'LENGTH', description: 'how long, such as 4h, 7d', required: true },
      {
        name: 'what',
        value: 'WHAT',
        choices: ['attacker', 'signature', 'both'],
        description: 'the attacker (when not set), the signature from anybody, or both together',
      },
      ...bulk,
    ],
    example: 'review ignore d-4x7k2m9qz1hb0wfa --for 7d --reason "a scan that was announced"',
    more: byFilter,
    load: async () => (await import('../review-answer.ts')).ignoreReview,
  },
  {
    words: ['review', 'always'],
    summary: 'Propose a change of the policy, so that this is not asked again',
    arguments: [id],
    options: [
      reason,
      {
        name: 'change',
        value: 'WHAT',
        choices: ['rule', 'signature'],
        description:
          'rule: the rule that asked blocks (when not set); signature: a new rule for it',
      },
      {
        name: 'verdict',
        value: 'VERDICT',
        choices: ['block', 'watch', 'ignore'],
        description: 'of the new rule, block when not set',
      },
    ],
    example: 'review always d-4x7k2m9qz1hb0wfa --reason "never was anything else"',
    more: 'Prints the diff. The policy file is yours: apply it with git apply or patch, then "policy reload". The question still waits.',
    load: async () => (await import('../review.ts')).alwaysReview,
  },
  {
    words: ['review', 'protect'],
    summary: 'Never block the target again: lifts what blocks it, and proposes it for the policy',
    arguments: [id],
    options: [reason],
    example: 'review protect d-4x7k2m9qz1hb0wfa --reason "the uplink of a customer"',
    load: async () => (await import('../review.ts')).protectReview,
  },
  {
    words: ['review', 'undo'],
    summary: 'Take back the last thing that was done to a decision',
    arguments: [id],
    options: [reason],
    example: 'review undo d-4x7k2m9qz1hb0wfa --reason "wrong line"',
    more: 'Only when nothing else happened to it since.',
    load: async () => (await import('../review.ts')).undoReview,
  },
  {
    words: ['ignored', 'list'],
    summary: 'List what is ignored, and until when',
    arguments: [],
    options: [],
    example: 'ignored list',
    load: async () => (await import('../review-said.ts')).listIgnored,
  },
  {
    words: ['ignored', 'end'],
    summary: 'Ignore something no longer',
    arguments: [{ name: 'id', description: 'its id, as "ignored list" shows it' }],
    options: [reason],
    example: 'ignored end i-4x7k2m9qz1hb0wfa --reason "the scan is over"',
    load: async () => (await import('../review-said.ts')).endIgnored,
  },
  {
    words: ['sheltered', 'list'],
    summary: 'List what people protected besides the policy',
    arguments: [],
    options: [],
    example: 'sheltered list',
    load: async () => (await import('../review-said.ts')).listSheltered,
  },
  {
    words: ['sheltered', 'end'],
    summary: 'Protect something no longer; what stands in the policy stays protected',
    arguments: [
      { name: 'address', description: 'the host or network, as "sheltered list" shows it' },
    ],
    options: [reason],
    example: 'sheltered end 203.0.113.7 --reason "it stands in the policy now"',
    load: async () => (await import('../review-said.ts')).endSheltered,
  },
]

export const proposals: readonly Command[] = [
  {
    words: ['policy', 'proposals'],
    summary: 'List the proposed changes of the policy, or print the diff of one',
    arguments: [{ name: 'id', description: 'id of one, whose diff is printed', optional: true }],
    options: [],
    example: 'policy proposals p-4x7k2m9qz1hb0wfa > change.patch',
    more: 'The policy file is yours: apply it with "git apply change.patch" or "patch policy.yaml change.patch", then "policy reload". Without a policy file of your own, "policy show > policy.yaml" first.',
    load: async () => (await import('../review-said.ts')).showProposals,
  },
  {
    words: ['policy', 'withdraw'],
    summary: 'Withdraw a proposed change of the policy',
    arguments: [{ name: 'id', description: 'its id, as "policy proposals" shows it' }],
    options: [reason],
    example: 'policy withdraw p-4x7k2m9qz1hb0wfa --reason "decided otherwise"',
    load: async () => (await import('../review-said.ts')).withdrawProposal,
  },
]
