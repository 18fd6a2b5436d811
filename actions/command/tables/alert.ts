/** The commands of alerts. */
import type { Command } from '../command.ts'
import { file, limit } from './words.ts'

export const alerts: readonly Command[] = [
  {
    words: ['alert', 'list'],
    summary: 'List the newest alerts',
    arguments: [],
    options: [
      { name: 'attacker', value: 'ADDRESS', description: 'only those of this attacker' },
      limit,
    ],
    example: 'alert list --attacker 203.0.113.7',
    load: async () => (await import('../alert.ts')).listAlerts,
  },
  {
    words: ['alert', 'show'],
    summary: "Show an alert with the product's own record",
    arguments: [{ name: 'id', description: 'id of the alert, as "alert list" shows it' }],
    options: [],
    example: 'alert show wazuh-6ae1c44fb1d4f0e3a6b8d2c0',
    load: async () => (await import('../alert.ts')).showAlert,
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
    load: async () => (await import('../alert.ts')).sendAlerts,
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
    load: async () => (await import('../explain.ts')).explainAlerts,
  },
]
