/** Something that a person or another system is told: one change of the journal, in words and as data. */
import { z } from 'zod'
import { Urgency } from './channel.ts'
import { TimeText } from './time.ts'

export const Notice = z
  .strictObject({
    version: z.literal(1),
    id: z.string().min(1).max(200).meta({
      description: 'the same at every try, so that a receiver recognises a repeat',
      example: 'cordon-ab12c:journal:4711',
    }),
    event: z.string().min(1).max(60).meta({
      description: 'noun and verb, as in the journal',
      example: 'decision.wait',
    }),
    urgency: Urgency,
    at: TimeText,
    actor: z.string(),
    subject: z.string(),
    title: z.string().max(200).meta({ description: 'one line, printable' }),
    text: z.string().max(4_000).meta({ description: 'a few lines, printable' }),
    /** One-time links with which a person answers, by what they do. */
    answers: z.array(z.strictObject({ label: z.string(), url: z.url() })).max(10),
    details: z
      .record(z.string(), z.unknown())
      .meta({ description: 'the journal line: before and after' }),
  })
  .meta({ id: 'Notice' })

export type Notice = z.infer<typeof Notice>
