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

const Fingerprint = z
  .string()
  .regex(/^([0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}$/, 'expected 64 hexadecimal digits')
const Pattern = z
  .string()
  .regex(
    /^(\*|[a-z]+\.(\*|[a-z_]+))$/,
    'write an action such as decision.wait, or decision.*, or *',
  )

/** What became of an alert, in one word; also its tag. */
export const outcomes = [
  'blocked',
  'limited',
  'waiting',
  'watched',
  'ignored',
  'declined',
  'lifted',
  'expired',
] as const
export type AlertOutcome = (typeof outcomes)[number]

const closeReasons = [
  'false_positive',
  'issue_resolved',
  'acceptable_risk',
  'expected_activity',
  'low_severity',
  'duplicate',
  'investigation_required',
] as const

export const Settings = z.strictObject({
  nodes: listOf(z.url({ protocol: /^https?$/ }))
    .prefault([])
    .meta({
      description: 'addresses of Elasticsearch (not of Kibana); without any nothing is asked',
    }),
  api_key: Secret.optional().meta({
    description: 'encoded API key; connectors/elastic/README.md has the rights that it needs',
  }),
  user: z.string().min(1).optional().meta({ description: 'account, where there is no API key' }),
  password: z.string().min(1).optional().meta({ description: 'its password' }),
  ca: z.string().optional().meta({
    description: 'PEM of an own authority that is trusted instead of the public ones',
  }),
  ca_fingerprint: Fingerprint.optional().meta({
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
  results: Switch.default(false).meta({
    description: 'whether results go to a data stream, logs-<results_dataset>-<results_namespace>',
  }),
  results_dataset: z
    .string()
    .max(100)
    .regex(/^cordon(\.[a-z0-9_]+)+$/, 'expected cordon. and words of a-z 0-9 _')
    .default('cordon.results')
    .meta({ description: 'begins with cordon. so that it is known as our own when it comes back' }),
  results_namespace: z
    .string()
    .max(100)
    .regex(/^[a-z0-9_.]+$/, 'expected a-z 0-9 _ .')
    .default('default')
    .meta({ description: 'last part of the name of the data stream' }),
  results_actions: listOf(Pattern)
    .prefault(['decision.*', 'receipt.*', 'alert.judged', 'node.*', 'policy.*', 'key.*', 'token.*'])
    .meta({ description: 'what goes there, by the names that the journal uses; `*` is any' }),
  setup: Switch.default(true).meta({
    description:
      'whether index template, ILM policy and ingest pipeline are put where they are absent or ours and older',
  }),
  results_rollover: Duration.prefault('30d').meta({
    description: 'age at which a new index of the data stream is begun, or at 50 GB',
  }),
  results_keep: z
    .union([z.literal('forever').transform(() => undefined), Duration], {
      error: 'expected a length of time such as 365d, or forever',
    })
    .prefault('365d')
    .meta({ description: 'how long results are kept after that, or forever' }),
  kibana: z
    .url({ protocol: /^https?$/ })
    .optional()
    .meta({
      description:
        'address of Kibana, to mark the alerts that were judged; without it none is touched',
    }),
  kibana_api_key: Secret.optional().meta({
    description: 'encoded API key for Kibana, where it is not that of Elasticsearch',
  }),
  kibana_ca: z.string().optional().meta({
    description: 'PEM of an own authority of Kibana, where it is not that of Elasticsearch',
  }),
  kibana_ca_fingerprint: Fingerprint.optional().meta({
    description: 'SHA-256 of that authority, instead',
  }),
  kibana_space: z
    .string()
    .regex(/^[a-z0-9_-]+$/, 'expected a space')
    .default('default')
    .meta({ description: 'space of alerts that do not tell theirs' }),
  alert_actions: listOf(Pattern)
    .prefault(['alert.judged', 'decision.*'])
    .meta({ description: 'what alerts are marked for' }),
  acknowledge_on: listOf(z.enum(outcomes))
    .prefault(['blocked'])
    .meta({ description: `outcomes that make an open alert acknowledged: ${outcomes.join(', ')}` }),
  close_on: listOf(z.enum(outcomes))
    .prefault([])
    .meta({ description: 'outcomes that close an alert' }),
  close_reason: z
    .enum(closeReasons)
    .optional()
    .meta({
      description: `why it was closed, for Kibana 9.2 and later: ${closeReasons.join(', ')}`,
    }),
  alert_tags: Switch.default(true).meta({
    description: 'whether an alert gets the tag cordon:<outcome>, in place of the one before',
  }),
  cases: z.enum(['comment', 'create', 'off']).default('comment').meta({
    description:
      'comment on the cases that hold the alert; create also makes one for each block and each question',
  }),
})
export type Settings = z.output<typeof Settings>
