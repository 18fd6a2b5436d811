/** A typed client of the platform's GraphQL: each question is a document with the shape of its answer. */
import { GraphQLClient, type RawRequestOptions } from 'graphql-request'
import type { z } from 'zod'
import type { HttpAnswer } from '#contract/connector.ts'
import { Problem } from '#contract/problem.ts'
import { type Fetch, openFetch } from '../../open-fetch.ts'
import { readText } from '../../read-text.ts'
import type { Platform } from './platform-settings.ts'
import { readData } from './read-data.ts'

/** Larger answers are no answers to what is asked here. */
const asked = { who: 'opencti', address: 'url', mostBytes: 33_554_432 }

/** `Variables` and `Result` belong together: that is all that makes a question typed. */
export type Question<Variables extends object, Result> = {
  document: string
  shape: z.ZodType<Result>
  /** Never set: it only carries the type. */
  variables?: Variables
}

export type AskOptions = {
  /** The draft that is written to; without it nothing goes to a draft, whatever the user has open. */
  draft?: string | undefined
  /** On whose behalf; the platform heeds it only from users that may bypass. */
  applicant?: string | undefined
  signal?: AbortSignal | undefined
}

export type Client = {
  base: string
  /** With the platform's authority; `headers` are its own. For the live stream. */
  fetch: Fetch
  headers: Readonly<Record<string, string>>
  /** Throws a Problem: see read-data.ts. */
  ask<Variables extends object, Result>(
    question: Question<Variables, Result>,
    variables: NoInfer<Variables>,
    options?: AskOptions,
  ): Promise<Result>
}

export function question<Variables extends object, Result>(
  document: string,
  shape: z.ZodType<Result>,
): Question<Variables, Result> {
  return { document, shape }
}

export function openClient(platform: Platform): Client {
  const fetch = openFetch(platform.ca, platform.verify)
  const headers = platformHeaders(platform)
  return {
    base: platform.base,
    fetch,
    headers,
    ask: async ({ document, shape }, variables, { draft, applicant, signal } = {}) => {
      const late = AbortSignal.timeout(platform.timeoutMs)
      const answer = await send(`${platform.base}/graphql`, fetch, {
        query: document,
        variables,
        signal: signal ? AbortSignal.any([late, signal]) : late,
        requestHeaders: {
          ...headers,
          'opencti-draft-id': draft ?? '',
          ...(applicant === undefined ? {} : { 'opencti-applicant-id': applicant }),
        },
      })
      return readData(answer, shape)
    },
  }
}

export function platformHeaders(platform: Platform): Readonly<Record<string, string>> {
  return {
    ...platform.headers,
    'user-agent': 'cordon',
    authorization: `Bearer ${platform.token}`,
  }
}

/** The library throws for errors of the platform, but what came is read in one place: it only has to arrive. */
async function send(url: string, fetch: Fetch, request: RawRequestOptions): Promise<HttpAnswer> {
  const got: { answer?: HttpAnswer } = {}
  const graphql = new GraphQLClient(url, {
    fetch: async (input, init) => {
      if (input instanceof Request) throw new Problem('internal', 'a request was made elsewhere')
      const { status, headers, body } = await fetch(input, init)
      got.answer = {
        status,
        headers: Object.fromEntries(headers),
        body: await readText({ body }, asked),
      }
      return new Response(got.answer.body || null, { status, headers })
    },
  })
  try {
    await graphql.rawRequest(request)
  } catch (error) {
    if (got.answer === undefined) throw error
  }
  if (got.answer) return got.answer
  throw new Problem('internal', 'opencti was not asked')
}
