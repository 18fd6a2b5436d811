/** Which Splunk is asked, as whom, for what, where its rows say who attacked, and where results go. */
import { z } from 'zod'
import { Duration } from '#contract/duration.ts'
import { listOf } from '#contract/settings.ts'
import { From } from '../first-start.ts'
import { HomeNets } from '../suricata/home-nets.ts'
import { hecShape } from './hec/shape.ts'

const field = z.string().min(1).max(200)

export const Settings = z.strictObject({
  host: z
    .string()
    .regex(/^[\w.:-]+$/, 'expected a name or an address, without https://')
    .optional()
    .meta({ description: 'search head that is asked; without it nothing is' }),
  port: z.coerce
    .number()
    .int()
    .min(1)
    .max(65_535)
    .default(8089)
    .meta({ description: 'its management port, not that of Splunk Web' }),
  security: z
    .enum(['tls', 'none'])
    .default('tls')
    .meta({ description: 'tls, or none, which is for loopback only' }),
  ca: z.string().optional().meta({
    description: 'PEM of an own authority that is trusted instead of the public ones',
  }),
  token: z
    .string()
    .regex(/^[\x21-\x7e]{1,8000}$/, 'expected a token without blanks or line ends')
    .optional()
    .meta({ description: 'authentication token of an account that may search' }),
  user: z.string().min(1).optional().meta({ description: 'account, where there is no token' }),
  password: z.string().min(1).optional().meta({ description: 'its password' }),
  app: z
    .string()
    .regex(/^[\w.-]+$/)
    .optional()
    .meta({ description: 'app in which saved searches, lookups and macros are found' }),
  saved_searches: listOf(field)
    .prefault([])
    .meta({ description: 'names of saved searches that are run, each a source' }),
  search: z
    .string()
    .min(1)
    .max(50_000)
    .optional()
    .meta({ description: 'SPL that is run, as a source of its own' }),
  search_name: field.default('Cordon search').meta({ description: 'name of its rule' }),
  from: From.refine(
    (from) => from !== 'start',
    'expected now, or a time such as 2026-03-01T00:00:00Z',
  ).meta({ description: 'where the very first start begins: now, or a time' }),
  every: Duration.prefault('1m').meta({
    description: 'pause between two runs; each covers the time since the one before',
  }),
  overlap: Duration.prefault('1m').meta({
    description:
      'how far each run reaches back behind that, for events that are indexed late; 0s for searches that count',
  }),
  longest_window: Duration.prefault('1h').meta({
    description: 'time that one run covers at most: after a long absence there are several',
  }),
  timeout: Duration.prefault('5m').meta({
    description: 'how long a running search may be silent',
  }),
  severity: z.coerce
    .number()
    .min(0)
    .max(100)
    .default(50)
    .meta({ description: 'for a row with neither urgency nor severity in words' }),
  attacker_fields: listOf(field)
    .prefault([
      'src',
      'src_ip',
      'orig_src',
      'source_ip',
      'attacker',
      'attacker_ip',
      'clientip',
      'client_ip',
      'c_ip',
      'remote_ip',
      'Source_Network_Address',
      'IpAddress',
    ])
    .meta({ description: 'where the attacker stands; the first that holds an address counts' }),
  home_nets: HomeNets,
  ...hecShape,
})
export type Settings = z.output<typeof Settings>
