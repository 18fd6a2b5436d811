/** The service's settings: one schema, from which defaults, environment names and the README table come. */
import { z } from 'zod'
import { listOf } from '#contract/settings.ts'

export const servicePrefix = 'CORDON_'

export const ServiceSettings = z.strictObject({
  listen: z
    .string()
    .regex(
      /^(\[[0-9a-f:]+\]|[^:]+):\d{1,5}$/i,
      'write address:port, such as 127.0.0.1:8055 or [::]:8055',
    )
    .refine((text) => Number(text.slice(text.lastIndexOf(':') + 1)) <= 65_535, 'ports end at 65535')
    .default('127.0.0.1:8055')
    .meta({ description: 'address and port; TLS is used on every address but loopback' }),
  public_url: z
    .url({ protocol: /^https?$/ })
    .optional()
    .meta({
      description:
        'where nodes and people reach the service, when that is not the listening address',
    }),
  data_dir: z
    .string()
    .default('data')
    .meta({ description: 'database, signing keys and own certificate' }),
  policy: z.string().optional().meta({ description: 'policy file; without it the default policy' }),
  posture: z
    .string()
    .optional()
    .meta({ description: 'file of standing rules that "cordon posture" takes without a file' }),
  connectors: listOf(z.string())
    .prefault(['wazuh', 'suricata', 'webhook'])
    .meta({ description: 'connectors that run' }),
  settings: z
    .string()
    .optional()
    .meta({ description: 'YAML file with the sections service, agent and connectors.<name>' }),
  tls_cert: z
    .string()
    .optional()
    .meta({ description: 'PEM certificate chain; without it an own one is made' }),
  tls_key: z.string().optional().meta({ description: 'PEM private key of tls_cert' }),
  protect: listOf(z.string())
    .prefault([])
    .meta({ description: 'networks never blocked, besides those of the policy' }),
  log_level: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'silent'])
    .default('info')
    .meta({ description: 'what is logged, as JSON lines to standard error' }),
})
export type ServiceSettings = z.infer<typeof ServiceSettings>
