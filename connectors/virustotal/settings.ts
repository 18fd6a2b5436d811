/** How VirusTotal is asked. */
import { z } from 'zod'
import { Duration } from '#contract/duration.ts'
import { ApiKey, baseUrl, requests, Timeout } from '../provider-settings.ts'

export const Settings = z.strictObject({
  api_key: ApiKey,
  base_url: baseUrl('https://www.virustotal.com/api/v3'),
  timeout: Timeout,
  keep: Duration.prefault('24h').meta({ description: 'how long an answer stays good' }),
  engines: z.coerce
    .number()
    .int()
    .min(1)
    .max(100)
    .default(2)
    .meta({ description: 'engines that must agree before it is called malicious' }),
  per_minute: requests('a minute', 4),
  per_day: requests('a day', 500),
})
export type Settings = z.output<typeof Settings>
