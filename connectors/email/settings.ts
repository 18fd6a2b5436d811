/** Which mail server, as whom, and to whom. */
import { z } from 'zod'
import { channelShape } from '#contract/channel.ts'
import { Duration } from '#contract/duration.ts'
import { listOf } from '#contract/settings.ts'

const Mailbox = z
  .string()
  .max(254)
  .regex(/^[^\s@<>,;:"]+@[^\s@<>,;:"]+$/, 'write a plain address such as oncall@example.org')

export const Settings = z.strictObject({
  host: z.string().min(1).optional().meta({ description: 'mail server' }),
  port: z.coerce
    .number()
    .int()
    .min(1)
    .max(65_535)
    .optional()
    .meta({ description: '587 when not set, 465 for tls' }),
  security: z
    .enum(['starttls', 'tls', 'none'])
    .default('starttls')
    .meta({ description: 'starttls, tls from the start, or none, which is for loopback only' }),
  ca: z.string().optional().meta({
    description: 'PEM of an own authority that is trusted instead of the public ones',
  }),
  user: z
    .string()
    .min(1)
    .optional()
    .meta({ description: 'account at the mail server, if it asks' }),
  password: z
    .string()
    .min(1)
    .optional()
    .meta({ description: 'its password, best given as a file' }),
  from: Mailbox.optional().meta({ description: 'sender' }),
  to: listOf(Mailbox).prefault([]).meta({ description: 'who is told' }),
  timeout: Duration.prefault('20s').meta({
    description: 'how long each step of one try may take; the whole may take three times as long',
  }),
  ...channelShape,
})
export type Settings = z.output<typeof Settings>
