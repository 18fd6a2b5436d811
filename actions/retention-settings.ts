/** How long the service keeps what it stores: one schema, for the section `retention` of the settings file. */
import { z } from 'zod'
import { Duration, printDuration, readDuration } from '#contract/duration.ts'

export const retentionPrefix = 'CORDON_RETENTION_'

export const RetentionSettings = z.strictObject({
  // The policy counts alerts of at most a day, so that a week never takes one from it.
  alerts: atLeast('7d')
    .prefault('90d')
    .meta({ description: 'alerts; the one that made a decision stays as long as the decision' }),
  originals: atLeast('1h').optional().meta({
    description: "the vendor's record within an alert; with the alert when not set",
  }),
  decisions: atLeast('7d').prefault('400d').meta({
    description: 'decisions that have ended, were declined or only noted, with their receipts',
  }),
  journal: atLeast('7d').optional().meta({ description: 'the journal; for ever when not set' }),
  intelligence: atLeast('1h')
    .prefault('30d')
    .meta({ description: 'answers of providers of intelligence' }),
})
export type RetentionSettings = z.infer<typeof RetentionSettings>

function atLeast(length: string) {
  const least = readDuration(length)
  return Duration.refine((ms) => ms >= least, `it is kept for at least ${printDuration(least)}`)
}
