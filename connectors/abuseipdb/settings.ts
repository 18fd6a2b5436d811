/** How AbuseIPDB is asked. */
import { z } from 'zod'
import { Duration } from '#contract/duration.ts'
import { ApiKey, baseUrl, requests, Timeout } from '../provider-settings.ts'

export const Settings = z.strictObject({
  api_key: ApiKey,
  base_url: baseUrl('https://api.abuseipdb.com/api/v2'),
  timeout: Timeout,
  keep: Duration.prefault('12h').meta({ description: 'how long an answer stays good' }),
  max_age_days: z.coerce
    .number()
    .int()
    .min(1)
    .max(365)
    .default(90)
    .meta({ description: 'reports that are older do not count' }),
  per_day: requests('a day', 1_000),
})
export type Settings = z.output<typeof Settings>
