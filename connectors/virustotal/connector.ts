/**
 * VirusTotal v3: what engines say of an address. Its free public key is not allowed in commercial products and
 * services, nor in a workflow of a business that does not contribute: such users need a key of their own from the vendor.
 */
import { z } from 'zod'
import type { Connector, HttpAnswer } from '#contract/connector.ts'
import type { Intelligence } from '#contract/intelligence.ts'
import { printable } from '#contract/printable.ts'
import { keyMissing } from '../provider-settings.ts'
import { maybeBody, mustBeAbout, readBody, readQuota, refusal } from '../read-answer.ts'
import { Settings } from './settings.ts'

const name = 'virustotal'

export const connector: Connector<Settings> = {
  name,
  title: 'VirusTotal',
  settings: Settings,
  environment: { api_key: 'VIRUSTOTAL_API_KEY' },
  lookup(settings) {
    const { api_key: key, base_url: base } = settings
    const unusable = keyMissing(name, key)
    return {
      ...(unusable ? { unusable } : {}),
      request: (address) =>
        key === undefined
          ? undefined
          : {
              url: `${base}/ip_addresses/${encodeURIComponent(address)}`,
              headers: { 'x-apikey': key, accept: 'application/json' },
            },
      read: (answer, address) => read(answer, address, settings.engines),
      // It does not say which quota is spent, of the minute or of the day.
      quota: (answer, now) => readQuota(answer, now, false),
      limits: [
        { requests: settings.per_minute, perMs: 60_000 },
        { requests: settings.per_day, perMs: 86_400_000 },
      ],
      keepMs: settings.keep,
      waitMs: settings.timeout,
    }
  },
}

const Count = z.int().min(0)
const Report = z.looseObject({
  data: z.looseObject({
    id: z.string(),
    type: z.literal('ip_address'),
    attributes: z.looseObject({
      last_analysis_stats: z.looseObject({
        harmless: Count,
        malicious: Count,
        suspicious: Count,
        undetected: Count,
        timeout: Count.default(0),
      }),
      reputation: z.int().optional(),
      tags: z.array(z.string()).default([]),
      as_owner: z.string().optional(),
      country: z.string().optional(),
    }),
  }),
})
type Attributes = z.output<typeof Report>['data']['attributes']
type Stats = Attributes['last_analysis_stats']

const Failure = z.looseObject({ error: z.looseObject({ code: z.string(), message: z.string() }) })

function read(answer: HttpAnswer, address: string, engines: number): Intelligence {
  if (answer.status !== 200) throw refusal(name, answer, refused(answer))
  const { data } = readBody(name, answer, Report)
  mustBeAbout(name, data.id, address)
  const stats = data.attributes.last_analysis_stats
  return {
    provider: name,
    address,
    verdict: verdict(stats, engines),
    score: score(stats),
    trusted: false,
    tags: data.attributes.tags.slice(0, 50).map((tag) => printable(tag, 100)),
    summary: printable(summary(data.attributes)),
    link: `https://www.virustotal.com/gui/ip-address/${encodeURIComponent(address)}`,
  }
}

function refused(answer: HttpAnswer): string | undefined {
  const error = maybeBody(answer, Failure)?.error
  const wrong = answer.status === 400 && error?.code === 'InvalidArgumentError'
  return wrong ? error.message : undefined
}

/**
 * One engine alone is wrong too often. "Harmless" is what engines say of whatever is not on their lists, also of
 * addresses that nobody has seen: it is no word for the address, so nothing here is benign.
 */
function verdict({ malicious, suspicious }: Stats, engines: number): Intelligence['verdict'] {
  if (malicious >= engines) return 'malicious'
  return malicious + suspicious > 0 ? 'suspicious' : 'unknown'
}

/** Five engines are as sure as it gets. */
function score({ malicious, suspicious }: Stats): number {
  return Math.min(100, malicious * 20 + suspicious * 10)
}

function summary(attributes: Attributes): string {
  const { harmless, malicious, suspicious, undetected, timeout } = attributes.last_analysis_stats
  const all = harmless + malicious + suspicious + undetected + timeout
  const parts = [
    `${malicious} of ${all} engines call it malicious, ${suspicious} suspicious`,
    attributes.reputation === undefined ? '' : `reputation ${attributes.reputation}`,
    [attributes.as_owner, attributes.country].filter(Boolean).join(', '),
  ]
  return parts.filter((part) => part !== '').join('; ')
}
