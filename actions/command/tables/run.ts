/** The commands that start the service. */
import type { Command, Option } from '../command.ts'

const serviceOptions: readonly Option[] = [
  { name: 'listen', value: 'ADDRESS:PORT', description: 'where to listen; TLS but on loopback' },
  { name: 'data-dir', value: 'DIR', description: 'database, signing keys and own certificate' },
  { name: 'policy', value: 'FILE', description: 'policy file; without it the default policy' },
  { name: 'settings', value: 'FILE', description: 'YAML: service, agent and connectors.<name>' },
  { name: 'new-admin-token', description: 'make one more admin token: for who lost his' },
]
export const running: readonly Command[] = [
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
    more: 'Logs JSON lines to standard error; a first admin token goes to DIR/admin-token. SIGHUP reads the policy again.',
    load: async () => (await import('../serve.ts')).serve,
  },
]
