/** How OpenCTI is asked, and what is told to it. */
import { z } from 'zod'
import { Duration } from '#contract/duration.ts'
import { listOf } from '#contract/settings.ts'
import { platformShape } from './client/platform-settings.ts'
import { enrichmentShape } from './enrich/enrichment-settings.ts'

const Score = z.coerce.number().int().min(1).max(100)

export const Settings = z.strictObject({
  ...platformShape,
  lookup_timeout: Duration.prefault('2s').meta({
    description: 'how long an answer about an address is waited for; what comes later is lost',
  }),
  keep: Duration.prefault('1h').meta({ description: 'how long such an answer stays good' }),
  malicious_from: Score.default(60).meta({
    description: 'score of an indicator in force from which its address is malicious',
  }),
  suspicious_from: Score.default(30).meta({ description: 'and from which it is suspicious' }),
  trusted_labels: listOf(z.string().min(1).max(100)).prefault([]).meta({
    description: 'labels that are a veto, such as allowlist: who may set them can prevent blocks',
  }),
  ...enrichmentShape,
})
export type Settings = z.output<typeof Settings>
