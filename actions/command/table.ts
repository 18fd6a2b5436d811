/** The one table of commands: from it come the help, the checks of what was typed, and the reference in the README. */
import type { Argument, Command, Option } from './command.ts'
import { proposals, reviews } from './review-table.ts'

const serviceOptions: readonly Option[] = [
  { name: 'listen', value: 'ADDRESS:PORT', description: 'where to listen; TLS but on loopback' },
  { name: 'data-dir', value: 'DIR', description: 'database, signing keys and own certificate' },
  { name: 'policy', value: 'FILE', description: 'policy file; without it the default policy' },
  { name: 'settings', value: 'FILE', description: 'YAML: service, agent and connectors.<name>' },
]
const reason: Option = {
  name: 'reason',
  value: 'TEXT',
  description: 'why; kept in the journal',
  required: true,
}
const length: Option = {
  name: 'for',
  value: 'LENGTH',
  description: 'how long, such as 90s, 15m, 4h, 7d',
}
const audience: Option = {
  name: 'audience',
  value: 'WHO',
  description: 'all, group/<name> or node/<name>',
  many: true,
}
const limit: Option = {
  name: 'limit',
  value: 'N',
  description: 'at most so many, 100 when not set',
}
const id: Argument = { name: 'id', description: 'id of the decision, as "decision list" shows it' }
const address: Argument = { name: 'address', description: 'a host or a network, IPv4 or IPv6' }

const file: Argument = {
  name: 'file',
  description: 'one record a line, or JSON; - is standard input',
}

const running: readonly Command[] = [
  {
    words: ['start'],
    summary: 'Start the service and one local node, and show what to do next',
    arguments: [],
    options: [
      ...serviceOptions,
      { name: 'enforce', description: 'block in the kernel (root); without it only print' },
    ],
    example: 'start --data-dir /tmp/cordon',
    more: 'SIGHUP reads the policy again. After Ctrl-C blocks stay in the kernel until they end.',
    load: (parts) => parts.start(),
  },
  {
    words: ['serve'],
    summary: 'Run the decision service alone',
    arguments: [],
    options: [
      ...serviceOptions,
      { name: 'new-admin-token', description: 'make one more admin token: for who lost his' },
    ],
    example: 'serve --listen 192.0.2.10:8055 --data-dir /var/lib/cordon',
    more: 'Logs JSON lines to standard error; a first admin token goes to DIR/admin-token. SIGHUP reads the policy again.',
    load: async () => (await import('./serve.ts')).serve,
  },
]

const alerts: readonly Command[] = [
  {
    words: ['alert', 'list'],
    summary: 'List the newest alerts',
    arguments: [],
    options: [
      { name: 'attacker', value: 'ADDRESS', description: 'only those of this attacker' },
      limit,
    ],
    example: 'alert list --attacker 203.0.113.7',
    load: async () => (await import('./alert.ts')).listAlerts,
  },
  {
    words: ['alert', 'show'],
    summary: "Show an alert with the product's own record",
    arguments: [{ name: 'id', description: 'id of the alert, as "alert list" shows it' }],
    options: [],
    example: 'alert show wazuh-6ae1c44fb1d4f0e3a6b8d2c0',
    load: async () => (await import('./alert.ts')).showAlert,
  },
  {
    words: ['alert', 'send'],
    summary: 'Send the records of a file as alerts',
    arguments: [file],
    options: [
      {
        name: 'connector',
        value: 'NAME',
        description: 'which product wrote them, such as wazuh',
        required: true,
      },
    ],
    example: 'alert send alerts.json --connector wazuh',
    more: 'Sending again is harmless: what was stored before is recognised. Fails when a record was refused.',
    load: async () => (await import('./alert.ts')).sendAlerts,
  },
  {
    words: ['alert', 'explain'],
    summary: 'Explain record by record what would be decided and why, without a service',
    arguments: [file],
    options: [
      { name: 'connector', value: 'NAME', description: 'guessed from the records when not named' },
      { name: 'policy', value: 'FILE', description: 'CORDON_POLICY or the default when not named' },
      {
        name: 'now',
        value: 'TIME',
        description: 'judge as at this time, or now; else as when seen',
      },
      { name: 'limit', value: 'N', description: 'at most so many records, 20 when not set' },
    ],
    example: 'alert explain connectors/wazuh/sample/sshd.in.log',
    more: 'Alerts of the file see those before them; of blocks and other history nothing is known.',
    load: async () => (await import('./explain.ts')).explainAlerts,
  },
]

const decisions: readonly Command[] = [
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
    load: async () => (await import('./decision.ts')).listDecisions,
  },
  {
    words: ['decision', 'show'],
    summary: 'Show a decision with its reasons, alerts, nodes and journal',
    arguments: [id],
    options: [],
    example: 'decision show d-4x7k2m9qz1hb0wfa',
    load: async () => (await import('./decision.ts')).showDecision,
  },
  {
    words: ['decision', 'approve'],
    summary: 'Issue a decision that waits for a person',
    arguments: [id],
    options: [reason, length, audience],
    example: 'decision approve d-4x7k2m9qz1hb0wfa --reason "known bad network"',
    load: async () => (await import('./decision.ts')).approveDecision,
  },
  {
    words: ['decision', 'decline'],
    summary: 'Turn down a decision that waits for a person',
    arguments: [id],
    options: [reason],
    example: 'decision decline d-4x7k2m9qz1hb0wfa --reason "our own scanner"',
    load: async () => (await import('./decision.ts')).declineDecision,
  },
  {
    words: ['decision', 'extend'],
    summary: 'Give a block a later end, counted from now',
    arguments: [id],
    options: [reason, { ...length, required: true }],
    example: 'decision extend d-4x7k2m9qz1hb0wfa --for 7d --reason "still scanning"',
    load: async () => (await import('./decision.ts')).extendDecision,
  },
  {
    words: ['decision', 'lift'],
    summary: 'Lift one block; others on the same address stay',
    arguments: [id],
    options: [reason],
    example: 'decision lift d-4x7k2m9qz1hb0wfa --reason "false alarm"',
    load: async () => (await import('./decision.ts')).liftDecision,
  },
]

const addresses: readonly Command[] = [
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
    load: async () => (await import('./decision.ts')).block,
  },
  {
    words: ['lift'],
    summary: 'Lift all blocks on an address or within a network, and say what still covers it',
    arguments: [address],
    options: [reason],
    example: 'lift 203.0.113.7 --reason "false alarm"',
    load: async () => (await import('./address.ts')).liftAddress,
  },
  {
    words: ['why'],
    summary: 'Say whether and why an address is blocked, until when and where',
    arguments: [address],
    options: [],
    example: 'why 203.0.113.7',
    more: 'Exit code 3 when no kernel has confirmed that it is blocked.',
    load: async () => (await import('./address.ts')).why,
  },
  {
    words: ['blocked', 'list'],
    summary: 'List all that is blocked now',
    arguments: [],
    options: [],
    example: 'blocked list --json',
    load: async () => (await import('./address.ts')).listBlocked,
  },
]

const node: Argument = { name: 'node', description: 'name of the node' }
const nodes: readonly Command[] = [
  {
    words: ['node', 'list'],
    summary: 'List the nodes and how they fare',
    arguments: [],
    options: [],
    example: 'node list',
    load: async () => (await import('./node.ts')).listNodes,
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
    load: async () => (await import('./node.ts')).enrolNode,
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
    load: async () => (await import('./node.ts')).groupNode,
  },
  {
    words: ['node', 'revoke'],
    summary: 'Revoke a node; what it enforces ends by its own time',
    arguments: [node],
    options: [],
    example: 'node revoke web-01',
    load: async () => (await import('./node.ts')).revokeNode,
  },
]

const agent: readonly Command[] = [
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
]

const policyFile: Argument = { name: 'file', description: 'policy file' }
const replayed: readonly Option[] = [
  { name: 'since', value: 'TIME', description: 'a time, a day, or how long ago; 7d when not set' },
  { name: 'until', value: 'TIME', description: 'the same; now when not set' },
]
const policies: readonly Command[] = [
  {
    words: ['policy', 'check'],
    summary: 'Say whether the service would take a policy file',
    arguments: [policyFile],
    options: [],
    example: 'policy check policy.yaml',
    more: 'Exit code 3 when it would not: something is wrong in it, or a test of its own fails.',
    load: async () => (await import('./policy.ts')).checkPolicy,
  },
  {
    words: ['policy', 'test'],
    summary: 'Run the tests that a policy file carries',
    arguments: [policyFile],
    options: [],
    example: 'policy test policy.yaml',
    more: 'Exit code 3 when one fails.',
    load: async () => (await import('./policy.ts')).testPolicy,
  },
  {
    words: ['policy', 'show'],
    summary: 'Print the policy in force',
    arguments: [],
    options: [],
    example: 'policy show > policy.yaml',
    load: async () => (await import('./policy.ts')).showPolicy,
  },
  {
    words: ['policy', 'reload'],
    summary: 'Make the service read its policy file again',
    arguments: [],
    options: [],
    example: 'policy reload',
    more: 'A wrong file is refused and the policy in force stays.',
    load: async () => (await import('./policy.ts')).reloadPolicy,
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
    load: async () => (await import('./simulate.ts')).simulatePolicy,
  },
  {
    words: ['policy', 'suggest'],
    summary: 'Propose changes of the policy from what was observed, with their effect',
    arguments: [],
    options: replayed,
    example: 'policy suggest --since 14d',
    more: 'Each is a diff of the policy. Nothing is changed: copy what you want, and try it with policy simulate.',
    load: async () => (await import('./suggest.ts')).suggestPolicy,
  },
]

const administration: readonly Command[] = [
  {
    words: ['connector', 'list'],
    summary: 'List the connectors and the sources that are followed',
    arguments: [],
    options: [],
    example: 'connector list',
    load: async () => (await import('./administration.ts')).listConnectors,
  },
  {
    words: ['source', 'list'],
    summary: 'List where facts about addresses come from, how old they are and what is wrong',
    arguments: [],
    options: [],
    example: 'source list',
    more: 'A source that is silent never counts as clean: the policy says what its silence means.',
    load: async () => (await import('./source.ts')).listSources,
  },
  {
    words: ['feed', 'list'],
    summary: 'List what nodes enforce as a whole, and how each node stands to it',
    arguments: [],
    options: [],
    example: 'feed list',
    more: 'Lists are enforced as a whole with "enforce: true" in the settings of the list.',
    load: async () => (await import('./feed.ts')).listFeeds,
  },
  {
    words: ['token', 'list'],
    summary: 'List the API tokens',
    arguments: [],
    options: [],
    example: 'token list',
    load: async () => (await import('./administration.ts')).listTokens,
  },
  {
    words: ['token', 'create'],
    summary: 'Create an API token; its secret is the result and shown once',
    arguments: [{ name: 'name', description: 'who will use it' }],
    options: [
      {
        name: 'scope',
        value: 'SCOPE',
        choices: ['ingest', 'read', 'review', 'admin'],
        description: 'ingest, read, review or admin',
        required: true,
        many: true,
      },
      { ...length, description: 'how long it is good, for ever when not set' },
    ],
    example: 'token create wazuh --scope ingest --for 365d',
    load: async () => (await import('./administration.ts')).createToken,
  },
  {
    words: ['token', 'revoke'],
    summary: 'Revoke an API token',
    arguments: [{ name: 'id', description: 'id of the token, as "token list" shows it' }],
    options: [],
    example: 'token revoke t-4x7k2m9q',
    load: async () => (await import('./administration.ts')).revokeToken,
  },
  {
    words: ['journal', 'list'],
    summary: 'List the journal, oldest line first',
    arguments: [],
    options: [
      { name: 'after', value: 'LINE', description: 'only what came after this line' },
      { name: 'subject', value: 'ID', description: 'only lines of this decision, node or token' },
      limit,
    ],
    example: 'journal list --subject d-4x7k2m9qz1hb0wfa',
    load: async () => (await import('./administration.ts')).listJournal,
  },
  {
    words: ['journal', 'verify'],
    summary: 'Check that no line of the journal was changed or taken out',
    arguments: [],
    options: [],
    example: 'journal verify',
    more: 'Exit code 3 when it is broken.',
    load: async () => (await import('./administration.ts')).verifyJournal,
  },
  {
    words: ['journal', 'export'],
    summary: 'Export the journal with its decisions, for a SIEM or a spreadsheet',
    arguments: [],
    options: [
      {
        name: 'format',
        value: 'FORMAT',
        choices: ['ndjson', 'csv'],
        description: 'ndjson (Elastic Common Schema, when not set) or csv',
      },
      {
        name: 'since',
        value: 'TIME',
        description: 'from a time, a day, or so long ago such as 7d',
      },
      { name: 'until', value: 'TIME', description: 'before a time, a day, or so long ago' },
      { name: 'after', value: 'LINE', description: 'only what came after this line' },
      {
        name: 'max-bytes',
        value: 'SIZE',
        description: 'end before a line that would make it longer, such as 100M',
      },
      { name: 'organization', value: 'NAME', description: 'organization.name of each document' },
      { name: 'out', value: 'FILE', description: 'to this file, which is there once it is whole' },
    ],
    example: 'journal export --since 7d --out journal.ndjson',
    more: "One that broke off goes on when the same is run again. In CSV a cell that a spreadsheet would take for a formula begins with a '.",
    load: async () => (await import('./export.ts')).exportJournal,
  },
  {
    words: ['retention', 'show'],
    summary: 'Show how long things are kept, what is due to go, and the room',
    arguments: [],
    options: [],
    example: 'retention show',
    load: async () => (await import('./retention.ts')).showRetention,
  },
  {
    words: ['retention', 'run'],
    summary: 'Let go of what is due now, as the clock does every hour',
    arguments: [],
    options: [{ name: 'dry-run', description: 'only say how many would go' }],
    example: 'retention run --dry-run',
    more: 'What stands behind a decision in force or waiting stays. The database file does not shrink; its room is used again.',
    load: async () => (await import('./retention.ts')).runRetention,
  },
  {
    words: ['key', 'show'],
    summary: 'Show the public signing keys',
    arguments: [],
    options: [],
    example: 'key show',
    load: async () => (await import('./administration.ts')).showKeys,
  },
  {
    words: ['key', 'rotate'],
    summary: 'Sign with a new key from now on',
    arguments: [],
    options: [
      {
        name: 'retire',
        description: 'the old keys are trusted no longer: for when one may be stolen',
      },
    ],
    example: 'key rotate',
    load: async () => (await import('./administration.ts')).rotateKey,
  },
  {
    words: ['epoch', 'begin'],
    summary: 'Make every node ask for the whole state anew, after a backup was restored',
    arguments: [],
    options: [],
    example: 'epoch begin',
    load: async () => (await import('./administration.ts')).beginEpoch,
  },
]

const notices: readonly Command[] = [
  {
    words: ['notice', 'list'],
    summary: 'List the channels of notice, and the dead letters that they did not take',
    arguments: [],
    options: [{ ...limit, description: 'at most so many dead letters, 100 when not set' }],
    example: 'notice list',
    load: async () => (await import('./notice.ts')).listNotices,
  },
  {
    words: ['notice', 'test'],
    summary: 'Send a test notice to a channel, and say whether it took it',
    arguments: [{ name: 'channel', description: 'name of the channel, such as email' }],
    options: [],
    example: 'notice test email',
    load: async () => (await import('./notice.ts')).testNotice,
  },
  {
    words: ['notice', 'resend'],
    summary: 'Send a dead letter again; it is gone when the channel takes it',
    arguments: [{ name: 'id', description: 'id of the dead letter, as "notice list" shows it' }],
    options: [],
    example: 'notice resend l-4x7k2m9qz1hb0wfa',
    load: async () => (await import('./notice.ts')).resendNotice,
  },
]

const about: readonly Command[] = [
  {
    words: ['help'],
    summary: 'Show all commands, or one of them',
    arguments: [
      {
        name: 'command',
        description: 'its words, such as decision list',
        optional: true,
        many: true,
      },
    ],
    options: [{ name: 'markdown', description: 'all of it as Markdown' }],
    example: 'help decision list',
    load: async () => (await import('./show-help.ts')).showHelp,
  },
  {
    words: ['version'],
    summary: 'Show the version',
    arguments: [],
    options: [],
    example: 'version',
    load: async () => (await import('./show-help.ts')).showVersion,
  },
]

export const table: readonly Command[] = [
  ...running,
  ...alerts,
  ...reviews,
  ...decisions,
  ...addresses,
  ...nodes,
  ...agent,
  ...policies,
  ...proposals,
  ...administration,
  ...notices,
  ...about,
]
