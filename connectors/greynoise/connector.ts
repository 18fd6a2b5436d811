/** GreyNoise community: whether an address scans the whole Internet, or is a common business service. IPv4 only. */
import { z } from 'zod'
import type { Connector, HttpAnswer } from '#contract/connector.ts'
import type { Intelligence } from '#contract/intelligence.ts'
import { printable } from '#contract/printable.ts'
import { keyMissing } from '../provider-settings.ts'
import { maybeBody, mustBeAbout, readBody, readQuota, refusal } from '../read-answer.ts'
import { Settings } from './settings.ts'

const name = 'greynoise'

export const connector: Connector<Settings> = {
  name,
  title: 'GreyNoise',
  settings: Settings,
  lookup(settings) {
    const { api_key: key, base_url: base } = settings
    const unusable = keyMissing(name, key)
    return {
      ...(unusable ? { unusable } : {}),
      request: (address) =>
        key === undefined || address.includes(':')
          ? undefined
          : {
              url: `${base}/v3/community/${address}`,
              headers: { key, accept: 'application/json' },
            },
      read,
      quota: (answer, now) => readQuota(answer, now, false),
      limits: [{ requests: settings.per_week, perMs: 7 * 86_400_000 }],
      keepMs: settings.keep,
      waitMs: settings.timeout,
    }
  },
}

const Seen = z.looseObject({
  ip: z.string(),
  noise: z.boolean(),
  riot: z.boolean(),
  classification: z.enum(['malicious', 'suspicious', 'benign', 'unknown', '']).default(''),
  name: z.string().nullish(),
  last_seen: z.string().nullish(),
})
type Seen = z.output<typeof Seen>

/** The answer for an address that was never seen, which comes with status 404. */
const Unseen = z.looseObject({ ip: z.string(), noise: z.literal(false), riot: z.literal(false) })

const Refused = z.looseObject({ message: z.string() })

function read(answer: HttpAnswer, address: string): Intelligence {
  if (answer.status === 404) return readUnseen(answer, address)
  if (answer.status !== 200) throw refusal(name, answer, refused(answer))
  const seen = readBody(name, answer, Seen)
  mustBeAbout(name, seen.ip, address)
  const verdict = seen.riot ? 'benign' : seen.classification || 'unknown'
  return {
    provider: name,
    address,
    verdict,
    score: scores[verdict],
    trusted: seen.riot,
    tags: [...(seen.noise ? ['noise'] : []), ...(seen.riot ? ['riot'] : [])],
    summary: printable(summary(seen)),
    link: `https://viz.greynoise.io/ip/${address}`,
  }
}

/** A 404 of a wrong path or of a proxy does not name the address. */
function readUnseen(answer: HttpAnswer, address: string): Intelligence {
  mustBeAbout(name, readBody(name, answer, Unseen).ip, address)
  return {
    provider: name,
    address,
    verdict: 'unknown',
    score: 0,
    trusted: false,
    tags: [],
    summary: 'not seen scanning the Internet, and no known business service',
  }
}

/**
 * It gives a word and no number. Who scans everybody with a known ill intent attacks, but not necessarily us; `benign` is a
 * known scanner such as a research project, of which only `riot` makes a service that must not be blocked.
 */
const scores = { malicious: 90, suspicious: 50, unknown: 0, benign: 0 } as const

function refused(answer: HttpAnswer): string | undefined {
  return answer.status === 400 ? maybeBody(answer, Refused)?.message : undefined
}

function summary(seen: Seen): string {
  const who = seen.name && seen.name !== 'unknown' ? seen.name : ''
  const parts = [
    seen.riot ? 'common business service' : '',
    seen.noise ? 'scans the Internet' : 'not seen scanning the Internet',
    seen.classification ? `classified ${seen.classification}` : '',
    who,
    seen.last_seen ? `last seen ${seen.last_seen}` : '',
  ]
  return parts.filter((part) => part !== '').join('; ')
}
