/** How notices reach one channel: which of them, how many at once, and how long they are tried. */
import { z } from 'zod'
import { Duration } from './duration.ts'
import { listOf } from './settings.ts'

const Pattern = z
  .string()
  .regex(/^(\*|[a-z]+\.(\*|[a-z_]+))$/, 'write an event such as decision.wait, or decision.*, or *')

export const Urgency = z.enum(['low', 'normal', 'high'])
export type Urgency = z.infer<typeof Urgency>

const whole = (least: number, most: number) => z.coerce.number().int().min(least).max(most)

/** Spread into the settings of every connector that publishes. */
export const channelShape = {
  events: listOf(Pattern)
    .prefault([
      'decision.wait',
      'decision.second',
      'decision.timeout_block',
      'receipt.failed',
      'node.*',
      'list.*',
      'places.*',
      'provider.*',
      'connector.*',
      'policy.*',
      'key.*',
      'epoch.*',
      'notice.dead',
      'result.*',
    ])
    .meta({ description: 'what is told, by the names that the journal uses; `*` is any' }),
  min_urgency: Urgency.default('low').meta({
    description: 'low, normal or high: what is below is not told',
  }),
  digest: z
    .union([z.literal('immediate').transform(() => 0), Duration], {
      error: 'expected a length of time such as 15m, or immediate',
    })
    .prefault('immediate')
    .meta({ description: 'immediate, or how long notices are gathered into one message' }),
  digest_size: whole(1, 200).default(50).meta({
    description:
      'notices told in full in one message, which goes as soon as there are so many; the rest is counted',
  }),
  per_hour: whole(1, 3_600).default(60).meta({
    description: 'messages an hour, a sixth of them at once; above that notices are gathered',
  }),
  tries: whole(1, 100).default(12).meta({
    description: 'how often a message is tried before it becomes a dead letter',
  }),
  give_up_after: Duration.prefault('1d').meta({ description: 'and how long at most' }),
}
export type ChannelSettings = z.output<z.ZodObject<typeof channelShape>>
