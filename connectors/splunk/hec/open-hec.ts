/** Requests to an event collector: HTTPS but on loopback, one channel as long as it is open, no token in a problem. */
import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { isLoopback } from '#contract/address.ts'
import { printable } from '#contract/printable.ts'
import { Problem } from '#contract/problem.ts'
import { openFetch } from '../../open-fetch.ts'
import { readStart } from '../read-start.ts'
import type { HecSettings } from './shape.ts'

const requestMs = 30_000
/** Characters; an answer names an acknowledgement for each request at most. */
const longestAnswer = 100_000

export type Hec = {
  /** Host and port, for people. */
  place: string
  /** Events as JSON, one after the other. Throws only when there is no answer, or not one of a collector. */
  send(events: string, stop: AbortSignal): Promise<HecAnswer>
  /** Whether the indexers have what was sent, by the number that it was given. */
  ask(acks: readonly number[], stop: AbortSignal): Promise<HecAnswer>
  health(stop: AbortSignal): Promise<HecAnswer>
}

export type HecAnswer = z.output<typeof Said> & { status: number; retryMs: number | undefined }

const Said = z.object({
  text: z.string().optional(),
  code: z.int().optional(),
  /** The first event that was not taken; those before it were. */
  'invalid-event-number': z.int().nonnegative().optional(),
  ackId: z.int().nonnegative().optional(),
  acks: z.record(z.string(), z.boolean()).optional(),
})

/** Throws `setting_invalid`. */
export function openHec(settings: HecSettings & { ca?: string | undefined }): Hec {
  const url = readUrl(settings.hec_url)
  const token = settings.hec_token
  if (token === undefined)
    throw new Problem('setting_invalid', 'splunk has no token for its event collector', {
      remedy: 'set CORDON_SPLUNK_HEC_TOKEN_FILE: Settings > Data inputs > HTTP Event Collector',
    })
  const fetch = openFetch(settings.ca)
  const channel = randomUUID()
  const request = async (method: string, path: string, body: string, stop: AbortSignal) => {
    const answer = await fetch(`${url.origin}${url.pathname}services/collector/${path}`, {
      method,
      headers: {
        authorization: `Splunk ${token}`,
        'x-splunk-request-channel': channel,
        ...(method === 'POST' && { 'content-type': 'application/json' }),
      },
      body,
      signal: AbortSignal.any([stop, AbortSignal.timeout(requestMs)]),
    })
    return readAnswer(answer, (text) => text.replaceAll(token, '…'))
  }
  return {
    place: url.host,
    send: (events, stop) => request('POST', 'event', events, stop),
    ask: (acks, stop) => request('POST', 'ack', JSON.stringify({ acks }), stop),
    health: (stop) => request('GET', 'health', '', stop),
  }
}

async function readAnswer(
  answer: Response,
  withoutToken: (text: string) => string,
): Promise<HecAnswer> {
  const { status } = answer
  const body = withoutToken(await readStart(answer, longestAnswer))
  const said = Said.safeParse(parse(body)).data
  if (said === undefined && status === 200)
    throw new Problem('invalid_input', 'who answers is no event collector of splunk', {
      remedy: 'check hec_url of splunk (mostly port 8088), and what stands in between',
    })
  return {
    ...said,
    ...(said?.text !== undefined && { text: printable(said.text, 200) }),
    status,
    retryMs: retryMs(answer.headers.get('retry-after')),
  }
}

/** A load balancer may write a date; the usual pause is good enough then. */
function retryMs(text: string | null): number | undefined {
  return text !== null && /^\d{1,6}$/.test(text) ? Number(text) * 1_000 : undefined
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // A page of somebody in between; the status has to do.
    return undefined
  }
}

/** The address with and without the path of the collector is understood. */
function readUrl(text: string | undefined): URL {
  const url = text !== undefined && URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.username !== '')
    throw new Problem('setting_invalid', 'hec_url of splunk is no web address', {
      remedy: 'write it as https://hec.example.org:8088, without a user',
    })
  if (url.protocol === 'http:' && !isLoopback(url.hostname))
    throw new Problem('setting_invalid', 'hec_url of splunk would send the token in the clear', {
      remedy: 'use https; plain http is for loopback only',
    })
  url.pathname = `${url.pathname.replace(/\/+(services\/collector(\/event)?\/?)?$/, '')}/`
  return url
}
