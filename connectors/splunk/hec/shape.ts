/** Settings of the way out: the event collector that results go to, and which of them. */
import { z } from 'zod'
import { Duration } from '#contract/duration.ts'
import { listOf, Switch } from '#contract/settings.ts'

const Pattern = z
  .string()
  .regex(
    /^(\*|[a-z]+\.(\*|[a-z_]+))$/,
    'write an action such as decision.lift, or decision.*, or *',
  )

export const hecShape = {
  hec_url: z.string().optional().meta({
    description:
      'event collector that results go to, such as https://hec.example.org:8088; without it none do',
  }),
  hec_token: z
    .string()
    .regex(/^[\x21-\x7e]{1,500}$/, 'expected a token alone, without the word Splunk')
    .optional()
    .meta({ description: 'its token, with indexer acknowledgement' }),
  hec_index: z
    .string()
    .regex(/^[a-z0-9_][a-z0-9_-]{0,79}$/, 'expected a name of an index, in lower case')
    .optional()
    .meta({ description: 'index that results go to; without it the one of the token' }),
  hec_source: z
    .string()
    .min(1)
    .max(200)
    .default('cordon')
    .meta({ description: 'source of the events' }),
  hec_sourcetype: z
    .string()
    .regex(/^cordon(:[\w.:-]{1,100})?$/, 'expected cordon, or cordon: and more')
    .default('cordon:result')
    .meta({
      description:
        'source type of the events; begins with cordon, so that a search that finds them makes no alerts of them',
    }),
  hec_acknowledge: Switch.prefault(true).meta({
    description:
      'wait until the indexers have an event; false takes the word of the collector for it',
  }),
  // The service itself gives up a batch that hangs for ten minutes.
  hec_acknowledge_within: Duration.refine((ms) => ms <= 300_000, 'expected at most 5m')
    .prefault('2m')
    .meta({
      description: 'how long that is waited for, 5m at most, before the events are sent again',
    }),
  hec_actions: listOf(Pattern)
    .prefault(['decision.*', 'receipt.*', 'alert.judged', 'node.*', 'policy.*', 'key.*', 'token.*'])
    .meta({ description: 'which results, by the names that the journal uses; `*` is any' }),
}
export type HecSettings = z.output<z.ZodObject<typeof hecShape>>
