/** The one table of commands: from it come the help, the checks of what was typed, and the reference in the README. */
import type { Argument, Command, Option } from './command.ts'

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
    options: serviceOptions,
    example: 'serve --listen 192.0.2.10:8055 --data-dir /var/lib/cordon',
    more: 'Logs JSON lines to standard error. SIGHUP reads the policy again.',
    load: async () => (await import('./serve.ts')).serve,
  },
]
void reason
void length
void audience
void limit
void id
void address

export const table: readonly Command[] = [...running]
