/** Which TheHive is told of questions, as whom, and by what people answer there. */
import { z } from 'zod'
import { channelShape } from '#contract/channel.ts'
import { Duration } from '#contract/duration.ts'
import { listOf, Switch } from '#contract/settings.ts'

const Status = z.string().min(1).max(64)

export const Settings = z.strictObject({
  url: z
    .url({ protocol: /^https?$/ })
    .optional()
    .meta({ description: 'TheHive, with its base path where it has one' }),
  api_key: z
    .string()
    .regex(/^[\x21-\x7e]{1,4000}$/, 'expected a key without blanks or line ends')
    .optional()
    .meta({ description: "API key of an account of Cordon's own, best given as a file" }),
  organisation: z
    .string()
    .regex(/^[\x20-\x7e]{1,100}$/, 'expected the name of an organisation')
    .optional()
    .meta({ description: 'where alerts are made; the default organisation of the account if not' }),
  ca: z.string().optional().meta({
    description: 'PEM of an own authority that is trusted instead of the public ones',
  }),
  allow_http: Switch.default(false).meta({
    description:
      'plain HTTP also beyond loopback, such as inside one Docker network: the key is readable there',
  }),
  timeout: Duration.prefault('20s').meta({ description: 'how long one answer is waited for' }),
  source: z.string().min(1).max(32).default('cordon').meta({
    description: 'source of the alerts; each service that tells one organisation needs its own',
  }),
  tlp: z.coerce.number().int().min(0).max(4).default(2).meta({ description: 'of the alerts' }),
  pap: z.coerce.number().int().min(0).max(3).default(2).meta({ description: 'of the alerts' }),
  approve_statuses: listOf(Status).prefault(['Approved']).meta({
    description: 'an alert that gets one of these is approved; the first is set on what is',
  }),
  decline_statuses: listOf(Status).prefault(['Declined', 'FalsePositive']).meta({
    description: 'an alert that gets one of these is declined; the first is set on what is',
  }),
  look_every: Duration.prefault('30s').meta({
    description:
      'pause between two looks for answers; the web hook of TheHive makes it look at once',
  }),
  ...channelShape,
  events: channelShape.events
    .unwrap()
    .prefault([
      'decision.wait',
      'decision.second',
      'decision.approve',
      'decision.decline',
      'decision.ignore',
      'decision.protect',
      'decision.undo',
      'decision.timeout_block',
      'decision.timeout_decline',
    ])
    .meta({ description: 'what is told, by the names that the journal uses; `*` is any' }),
})
export type Settings = z.output<typeof Settings>
