/** Which cluster is asked, as whom, in which spaces, and which of its alerts count. */
import { z } from 'zod'
import { Duration } from '#contract/duration.ts'
import { listOf, Switch } from '#contract/settings.ts'
import { From } from '../first-start.ts'
import { HomeNets } from '../suricata/home-nets.ts'

const Secret = z
  .string()
  .regex(/^[\x21-\x7e]{1,4000}$/, 'expected a secret without blanks or line ends')
const words = z.string().min(1).max(300)

export const Settings = z.strictObject({
  nodes: listOf(z.url({ protocol: /^https?$/ }))
    .prefault([])
    .meta({
      description: 'addresses of Elasticsearch (not of Kibana); without any nothing is asked',
    }),
  api_key: Secret.optional().meta({
    description: 'encoded API key with read and view_index_metadata on .alerts-security.alerts-*',
  }),
  user: z.string().min(1).optional().meta({ description: 'account, where there is no API key' }),
  password: z.string().min(1).optional().meta({ description: 'its password' }),
  ca: z.string().optional().meta({
    description: 'PEM of an own authority that is trusted instead of the public ones',
  }),
  ca_fingerprint: z
    .string()
    .regex(/^([0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}$/, 'expected 64 hexadecimal digits')
    .optional()
    .meta({
      description: 'SHA-256 of the authority, as Elasticsearch prints it at its first start',
    }),
  allow_http: Switch.default(false).meta({
    description: 'plain HTTP also beyond loopback: the key and the alerts are readable there',
  }),
  timeout: Duration.prefault('30s').meta({ description: 'how long one answer is waited for' }),
  spaces: listOf(z.string().regex(/^([\w.-]+:)?[a-z0-9_-]+$/, 'expected a space, or cluster:space'))
    .prefault(['default'])
    .meta({ description: 'spaces of Kibana, each a source; cluster:space for a remote cluster' }),
  from: From,
  every: Duration.prefault('5s').meta({ description: 'pause between two looks' }),
  overlap: Duration.prefault('2m').meta({
    description: 'how far behind the newest alert each look reaches back, for those written late',
  }),
  sweep: Duration.prefault('5m').meta({
    description: 'pause between two looks for older alerts: manual runs, filled gaps',
  }),
  page: z.coerce
    .number()
    .int()
    .min(1)
    .max(10_000)
    .default(500)
    .meta({ description: 'alerts of one answer; less where alerts are very large' }),
  statuses: listOf(z.enum(['open', 'acknowledged', 'closed']))
    .prefault(['open', 'acknowledged'])
    .meta({ description: 'workflow states that count; closed ones were judged by a person' }),
  building_blocks: Switch.default(false).meta({ description: 'whether building blocks count' }),
  min_risk: z.coerce
    .number()
    .min(0)
    .max(100)
    .default(0)
    .meta({ description: 'alerts with a lower risk score do not count' }),
  rule_tags: listOf(words)
    .prefault([])
    .meta({ description: 'only alerts of rules with one of these tags; all without any' }),
  attacker_fields: listOf(words)
    .prefault(['source.ip', 'client.ip', 'source.address'])
    .meta({ description: 'where the attacker stands; the first that holds an address counts' }),
  home_nets: HomeNets,
})
export type Settings = z.output<typeof Settings>
