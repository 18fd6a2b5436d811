/** Any status but 200, as a Problem with what to do about it. */
import { printable } from '#contract/printable.ts'
import { Problem } from '#contract/problem.ts'
import { printTime } from '#contract/time.ts'
import { messagesIn } from './messages.ts'
import type { Settings } from './settings.ts'
import { tokenEnd } from './token-end.ts'

export function refused(
  status: number,
  body: string,
  { token }: Pick<Settings, 'token'>,
  now: number,
): Problem {
  const said = messagesOf(body)
  if (status === 401) return notLetIn(token, now)
  if (status === 403)
    return new Problem('forbidden', `splunk does not allow this search${said}`, {
      remedy: 'give the role of the account the capability search and the indexes',
    })
  if (status === 404)
    return new Problem('not_found', 'splunk has no such interface', {
      remedy: 'check port and app of splunk; version 9.0.1 or later is needed',
    })
  if (status === 429 || status === 503)
    return new Problem('overloaded', `splunk has too much to do${said}`, {
      remedy: 'it is asked again by itself; when it lasts ask less often or raise its quota',
    })
  if (status >= 500)
    return new Problem('service_unreachable', `splunk answered ${status}${said}`, {
      remedy: 'see splunkd.log; it is asked again by itself',
    })
  return new Problem('invalid_input', `splunk answered ${status}${said}`, {
    remedy: 'run the search in Splunk itself: its SPL may be wrong, or the saved search gone',
  })
}

/** Splunk gives one answer to all that it does not let in; when a token ended is in the token. */
function notLetIn(token: string | undefined, now: number): Problem {
  if (token === undefined)
    return new Problem('unauthenticated', 'splunk refuses the user or the password', {
      remedy: 'check user and password of splunk; the account may be locked',
    })
  const end = tokenEnd(token)
  if (end !== undefined && end <= now)
    return new Problem('token_expired', `the token of splunk expired at ${printTime(end)}`, {
      remedy:
        'make a new one in Splunk (Settings > Tokens), put it where CORDON_SPLUNK_TOKEN_FILE says, and start the service again: it goes on where it was left',
    })
  return new Problem('unauthenticated', 'splunk refuses the token', {
    remedy:
      'check token of splunk: it may have expired or be disabled, or token authentication is off (Settings > Tokens)',
  })
}

function messagesOf(body: string): string {
  try {
    const text = messagesIn(JSON.parse(body))
      .map((message) => message.text)
      .join('; ')
    return text === '' ? '' : `: ${printable(text, 200)}`
  } catch {
    // A page of somebody in between; the status has to do.
    return ''
  }
}
