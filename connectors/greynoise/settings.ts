/** How GreyNoise is asked. */
import { z } from 'zod'
import { Duration } from '#contract/duration.ts'
import { ApiKey, baseUrl, requests, Timeout } from '../provider-settings.ts'

export const Settings = z.strictObject({
  api_key: ApiKey,
  base_url: baseUrl('https://api.greynoise.io'),
  timeout: Timeout,
  keep: Duration.prefault('24h').meta({ description: 'how long an answer stays good' }),
  per_week: requests('a week', 50),
})
export type Settings = z.output<typeof Settings>
