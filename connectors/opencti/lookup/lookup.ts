/** OpenCTI as a provider of intelligence. */
import type { HttpAnswer, Lookup } from '#contract/connector.ts'
import { type Problem, toProblem } from '#contract/problem.ts'
import { openFetch } from '../../open-fetch.ts'
import { readQuota } from '../../read-answer.ts'
import { platformHeaders } from '../client/client.ts'
import { type Platform, readPlatform } from '../client/platform-settings.ts'
import { readData } from '../client/read-data.ts'
import type { Settings } from '../settings.ts'
import { About, askAbout, isCut } from './about.ts'
import { judge } from './judge.ts'

/** An IPv4 host is asked about under 18 values, an IPv6 host under some 200: a search has a bound of clauses. */
const mostAtOnce = { 4: 50, 6: 10 } as const

export function openLookup(settings: Settings, now: () => number): Lookup {
  const platform = platformOrProblem(settings)
  const rest = {
    quota: (answer: HttpAnswer, at: number) => readQuota(answer, at, false),
    limits: [],
    keepMs: settings.keep,
    waitMs: settings.lookup_timeout,
  }
  if ('problem' in platform)
    return {
      ...rest,
      request: () => undefined,
      read: () => {
        throw platform.problem
      },
      unusable: platform.problem,
    }
  const bounds = {
    malicious: settings.malicious_from,
    suspicious: settings.suspicious_from,
    trustedLabels: settings.trusted_labels,
    base: platform.base,
  }
  const read = (found: About, address: string) => judge(found, address, bounds, now())
  return {
    ...rest,
    ...(platform.ca === undefined && platform.verify
      ? {}
      : { fetch: openFetch(platform.ca, platform.verify) }),
    request: (address) => request(platform, [address]),
    read: (answer, address) => read(readData(answer, About), address),
    many: {
      most: (address) => mostAtOnce[address.includes(':') ? 6 : 4],
      request: (addresses) => request(platform, addresses),
      read: (answer, addresses) => {
        const found = readData(answer, About)
        // Whose the missing ones are cannot be said; of one address the gravest are enough.
        const told = addresses.length > 1 && isCut(found, addresses) ? [] : addresses
        return new Map(told.map((address) => [address, read(found, address)]))
      },
    },
  }
}

function request(platform: Platform, addresses: readonly string[]) {
  const [question, variables] = askAbout(addresses)
  return {
    url: `${platform.base}/graphql`,
    method: 'POST' as const,
    headers: {
      ...platformHeaders(platform),
      accept: 'application/json',
      'content-type': 'application/json',
      'opencti-draft-id': '',
    },
    body: JSON.stringify({ query: question.document, variables }),
  }
}

function platformOrProblem(settings: Settings): Platform | { problem: Problem } {
  try {
    return readPlatform('opencti', settings)
  } catch (error) {
    return { problem: toProblem(error) }
  }
}
