/** AbuseIPDB v2: what people reported about an address. */
import { z } from 'zod'
import type { Connector, HttpAnswer } from '#contract/connector.ts'
import type { Intelligence } from '#contract/intelligence.ts'
import { printable } from '#contract/printable.ts'
import { keyMissing } from '../provider-settings.ts'
import { maybeBody, mustBeAbout, readBody, readQuota, refusal } from '../read-answer.ts'
import { Settings } from './settings.ts'

const name = 'abuseipdb'

export const connector: Connector<Settings> = {
  name,
  title: 'AbuseIPDB',
  settings: Settings,
  lookup(settings) {
    const { api_key: key, base_url: base, max_age_days: days } = settings
    const unusable = keyMissing(name, key)
    return {
      ...(unusable ? { unusable } : {}),
      request: (address) =>
        key === undefined
          ? undefined
          : {
              url: `${base}/check?ipAddress=${encodeURIComponent(address)}&maxAgeInDays=${days}`,
              headers: { key, accept: 'application/json' },
            },
      read: (answer, address) => read(answer, address, days),
      quota: (answer, now) => readQuota(answer, now, true),
      limits: [{ requests: settings.per_day, perMs: 86_400_000 }],
      keepMs: settings.keep,
      waitMs: settings.timeout,
    }
  },
}

const Report = z.looseObject({
  data: z.looseObject({
    ipAddress: z.string(),
    /** Null where nobody looked. */
    isWhitelisted: z.boolean().nullable(),
    abuseConfidenceScore: z.int().min(0).max(100),
    totalReports: z.int().min(0),
    numDistinctUsers: z.int().min(0).optional(),
    lastReportedAt: z.string().nullish(),
    countryCode: z.string().nullish(),
    usageType: z.string().nullish(),
    isp: z.string().nullish(),
    isTor: z.boolean().nullish(),
  }),
})
type Report = z.output<typeof Report>['data']

const Errors = z.looseObject({ errors: z.array(z.looseObject({ detail: z.string() })).min(1) })

function read(answer: HttpAnswer, address: string, days: number): Intelligence {
  if (answer.status !== 200) throw refusal(name, answer, refused(answer))
  const { data } = readBody(name, answer, Report)
  mustBeAbout(name, data.ipAddress, address)
  return {
    provider: name,
    address,
    verdict: verdict(data),
    score: data.abuseConfidenceScore,
    trusted: data.isWhitelisted === true,
    tags: [...(data.isTor ? ['tor'] : []), ...shown(data.usageType)],
    summary: printable(summary(data, days)),
    link: `https://www.abuseipdb.com/check/${encodeURIComponent(address)}`,
  }
}

/** 422 is what it says of a parameter, and the address is the only one that changes. */
function refused(answer: HttpAnswer): string | undefined {
  return answer.status === 422 ? maybeBody(answer, Errors)?.errors[0]?.detail : undefined
}

/**
 * The vendor advises to block from 75 on. From 25 on several people reported it. Below that, and without any report, nobody
 * has said that it is clean: only its allow list does.
 */
function verdict(report: Report): Intelligence['verdict'] {
  if (report.isWhitelisted === true) return 'benign'
  if (report.abuseConfidenceScore >= 75) return 'malicious'
  return report.abuseConfidenceScore >= 25 ? 'suspicious' : 'unknown'
}

function summary(report: Report, days: number): string {
  const owner = [report.isp, report.countryCode].filter(Boolean).join(', ')
  const parts = [
    report.isWhitelisted === true ? 'on its allow list' : '',
    report.totalReports === 0
      ? `no report in ${days} days`
      : `confidence ${report.abuseConfidenceScore} %, ${counted(report)} in ${days} days`,
    report.lastReportedAt ? `last on ${report.lastReportedAt.slice(0, 10)}` : '',
    owner,
  ]
  return parts.filter((part) => part !== '').join('; ')
}

function counted({ totalReports, numDistinctUsers }: Report): string {
  const reports = totalReports === 1 ? '1 report' : `${totalReports} reports`
  return numDistinctUsers === undefined ? reports : `${reports} by ${numDistinctUsers}`
}

function shown(text: string | null | undefined): string[] {
  return text ? [printable(text, 100)] : []
}
