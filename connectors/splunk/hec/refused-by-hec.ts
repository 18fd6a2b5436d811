/** What an event collector says but success, as a Problem with what to do about it. */
import { Problem, type ProblemCode } from '#contract/problem.ts'
import type { HecAnswer } from './open-hec.ts'

type Row = [code: ProblemCode, message: string, remedy: string]

const inSplunk = 'Settings > Data inputs > HTTP Event Collector'

const byCode: Readonly<Record<number, Row>> = {
  1: [
    'unauthenticated',
    'the token of the event collector is disabled',
    `enable it in Splunk: ${inSplunk}`,
  ],
  2: [
    'unauthenticated',
    'the event collector got no token',
    'see what stands in between: it takes the header Authorization away',
  ],
  3: [
    'unauthenticated',
    'the event collector does not understand the token',
    'hec_token is the token alone; see whether a proxy writes Authorization anew',
  ],
  4: [
    'unauthenticated',
    'the event collector does not know the token',
    `check hec_token of splunk: it may be deleted, or of another Splunk (${inSplunk})`,
  ],
  7: [
    'setting_invalid',
    'the index is not there, or not open to the token of the event collector',
    `make the index, or allow it for the token (${inSplunk}), or set hec_index to another one`,
  ],
  9: [
    'overloaded',
    'the event collector is busy',
    'it is tried again by itself; when it lasts, see the queues of the indexers',
  ],
  10: channelLost(),
  11: channelLost(),
  14: [
    'setting_invalid',
    'indexer acknowledgement is off for the token of the event collector',
    `enable it for the token (${inSplunk}), or set hec_acknowledge false: events that Splunk loses before they are indexed are lost then`,
  ],
  18: [
    'overloaded',
    'the event collector is not well: its queues are full',
    'it is tried again by itself; when it lasts, see the queues of the indexers',
  ],
}

const byStatus: Readonly<Record<number, Row>> = {
  401: ['unauthenticated', 'the event collector refuses the token', 'check hec_token of splunk'],
  403: ['unauthenticated', 'the event collector refuses the token', 'check hec_token of splunk'],
  404: [
    'not_found',
    'there is no event collector',
    `check hec_url of splunk (mostly port 8088), and that the collector is enabled (${inSplunk})`,
  ],
  429: ['rate_limited', 'the event collector has too much to do', 'it is tried again by itself'],
  503: ['overloaded', 'the event collector has too much to do', 'it is tried again by itself'],
}

/** No data, no JSON, no event, a blank one, fields that cannot be indexed: to send it again is of no use. */
const aboutOneEvent: readonly number[] = [5, 6, 12, 13, 15]

export function isAboutEvent({ code }: HecAnswer): boolean {
  return code !== undefined && aboutOneEvent.includes(code)
}

export function refusedByHec(answer: HecAnswer): Problem {
  const { code, status, text, retryMs } = answer
  const [name, message, remedy] = byCode[code ?? -1] ?? byStatus[status] ?? standard(status)
  const told = text === undefined ? '' : ` (${text}${code === undefined ? '' : `, code ${code}`})`
  return new Problem(name, `${message}${told}`, { remedy, retryMs })
}

/** For one event that can never be taken. */
export function refusedEvent({ text = '', status }: HecAnswer): Problem {
  if (status === 413)
    return new Problem('too_large', 'one event is larger than the event collector takes', {
      remedy: 'raise max_content_length of [http_input] in limits.conf of Splunk',
    })
  return new Problem('invalid_input', `the event collector refuses an event: ${text}`, {
    remedy: 'report it with the result, which cordon has in its journal',
  })
}

function standard(status: number): Row {
  const message = `the event collector answered ${status}`
  return status >= 500 || status === 408
    ? ['service_unreachable', message, 'it is tried again by itself; see splunkd.log']
    : ['invalid_input', message, 'check hec_url of splunk, and what stands in between']
}

function channelLost(): Row {
  return [
    'invalid_input',
    'the event collector got no channel',
    'see what stands in between: it takes the header X-Splunk-Request-Channel away',
  ]
}
