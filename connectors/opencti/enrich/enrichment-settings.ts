/** How the connector serves the platform as an internal enrichment connector. */
import { z } from 'zod'
import { Duration } from '#contract/duration.ts'
import { listOf, Switch } from '#contract/settings.ts'
import { readTlp } from '../stix/tlp.ts'

const Level = z.string().transform((text, context) => {
  const level = readTlp(text)
  if (level !== undefined) return level
  context.addIssue({
    code: 'custom',
    message: 'expected TLP:CLEAR, TLP:GREEN, TLP:AMBER, TLP:AMBER+STRICT or TLP:RED',
  })
  return z.NEVER
})

const Listen = z.string().regex(/^(\[[0-9a-f:]+\]|[^\s:]+):\d{1,5}$/, 'expected host:port')

/** What can be enriched here, in the platform's words. */
export const scopes = ['IPv4-Addr', 'IPv6-Addr'] as const

export const enrichmentShape = {
  id: z.uuid().optional().meta({
    description:
      'UUID of the connector on the platform, the same for ever; without it nothing is enriched',
  }),
  name: z.string().min(2).default('Cordon').meta({ description: 'how the platform shows it' }),
  scope: listOf(z.enum(scopes))
    .prefault([...scopes])
    .meta({ description: 'of which addresses it is asked' }),
  auto: Switch.default(false).meta({
    description: 'enrich every new address by itself, not only when a person asks',
  }),
  playbooks: Switch.default(true).meta({ description: 'may be a step of a playbook' }),
  max_tlp: Level.prefault('TLP:AMBER').meta({
    description: 'what is marked more strictly is not touched',
  }),
  author: z.string().min(2).default('Cordon').meta({
    description: 'the system that signs what is written, and where attackers were seen',
  }),
  sightings: Switch.default(false).meta({
    description:
      'tell of every confirmed block by itself, as sightings of what led to it; needs id',
  }),
  sightings_every: Duration.refine((ms) => ms <= 300_000, 'expected at most 5m')
    .prefault('1m')
    .meta({ description: 'how long those are gathered, 5m at most; many go at once' }),
  sightings_tlp: Level.prefault('TLP:AMBER').meta({
    description: 'how an address is marked that the platform does not know yet',
  }),
  send: z.enum(['amqp', 'api']).default('amqp').meta({
    description: 'how results go out: by the message broker, or by HTTP without one',
  }),
  listen: z.enum(['amqp', 'api']).default('amqp').meta({
    description: 'how jobs come in: by the message broker, or posted to callback_uri',
  }),
  callback_uri: z
    .url({ protocol: /^https?$/ })
    .default('http://127.0.0.1:7070/api/callback')
    .meta({ description: "where the platform's workers post jobs to when listen is api" }),
  callback_listen: Listen.default('127.0.0.1:7070').meta({
    description: 'where those are taken; HTTP on loopback, elsewhere HTTPS with the two below',
  }),
  callback_key: z.string().optional().meta({ description: 'PEM of the private key for it' }),
  callback_cert: z.string().optional().meta({ description: 'PEM of the certificate for it' }),
  mq_host: z.string().min(1).optional().meta({
    description: 'the message broker, when it has another name from here than the platform says',
  }),
  mq_port: z.coerce.number().int().min(1).max(65_535).optional().meta({ description: 'its port' }),
  mq_user: z.string().min(1).optional().meta({ description: 'its user' }),
  mq_pass: z.string().min(1).optional().meta({ description: 'and the password' }),
  mq_use_ssl: Switch.optional().meta({ description: 'whether it is spoken to over TLS' }),
}
export type EnrichmentSettings = z.output<z.ZodObject<typeof enrichmentShape>>
