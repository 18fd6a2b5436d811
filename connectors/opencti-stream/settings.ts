/** Which live stream is followed, and what of it becomes alerts. The stream's own filter is not trusted with that. */
import { z } from 'zod'
import { Duration } from '#contract/duration.ts'
import { listOf, Switch } from '#contract/settings.ts'
import { readTime } from '#contract/time.ts'
import { platformShape } from '../opencti/client/platform-settings.ts'
import { identityId } from '../opencti/stix/id.ts'
import { readTlp } from '../opencti/stix/tlp.ts'

const Words = listOf(z.string().min(1).max(200))
const Percent = z.coerce.number().int().min(0).max(100)

const Tlp = z
  .string()
  .refine((text) => readTlp(text) !== undefined, {
    error: 'expected TLP:CLEAR, TLP:GREEN, TLP:AMBER, TLP:AMBER+STRICT or TLP:RED',
  })
  .transform((text) => readTlp(text) ?? 'TLP:CLEAR')

function authorId(author: string): string {
  return author.startsWith('identity--') ? author : identityId(author, 'system')
}

export const Settings = z.strictObject({
  ...platformShape,
  id: z.uuid().optional().meta({
    description:
      'UUID under which the platform shows the connector, the same for ever; it is followed without too',
  }),
  name: z.string().min(2).default('Cordon blocks').meta({ description: 'how it is shown there' }),
  stream: z
    .uuid({ error: 'expected the id of a live stream; "live" and the raw stream are refused' })
    .optional()
    .meta({ description: 'id of the live stream that is followed' }),
  from: z
    .union([z.enum(['now', 'start']), z.string().refine((text) => readTime(text) !== undefined)], {
      error: 'expected now, start or a time such as 2026-03-01T00:00:00Z',
    })
    .default('now')
    .meta({
      description:
        'where the very first start begins: now; start, with all that the platform holds; or what was changed since a time',
    }),
  kinds: listOf(z.enum(['indicator', 'observable']))
    .prefault(['indicator'])
    .meta({ description: 'indicator, or observable for addresses that are none' }),
  min_score: Percent.default(60).meta({ description: 'what scores less is not used' }),
  min_confidence: Percent.default(0).meta({
    description: 'the same for the confidence, where given',
  }),
  detection_only: Switch.default(false).meta({
    description: 'only indicators that the platform marks for detection',
  }),
  labels: Words.prefault([]).meta({ description: 'one of these is needed; without any none is' }),
  not_labels: Words.prefault([]).meta({ description: 'none of these may be there' }),
  max_tlp: Tlp.prefault('TLP:AMBER+STRICT').meta({
    description: 'what is marked stricter is not used; what has no marking is',
  }),
  assume_valid: Duration.prefault('30d').meta({
    description:
      'how long an object without an end of its own is taken to hold after its last change',
  }),
  own_users: Words.prefault([]).meta({
    description: "ids of the platform's users by which Cordon writes: what they do makes no alert",
  }),
  own_authors: Words.transform((authors) => authors.map(authorId))
    .prefault(['Cordon'])
    .meta({
      description:
        'systems that sign what Cordon writes, as the setting author of opencti names them, or STIX ids',
    }),
  own_labels: Words.prefault(['cordon']).meta({ description: 'labels of what Cordon writes' }),
  own_references: Words.prefault(['cordon']).meta({
    description: 'names of external references of what Cordon writes',
  }),
  silence: Duration.prefault('45s').meta({
    description:
      'after so long without a word the connection is made anew; the platform speaks every 5s',
  }),
})
export type Settings = z.output<typeof Settings>
