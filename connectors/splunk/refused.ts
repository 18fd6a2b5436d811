/** Any status but 200, as a Problem with what to do about it. */
import { printable } from '#contract/printable.ts'
import { Problem } from '#contract/problem.ts'
import { messagesIn } from './messages.ts'

export function refused(status: number, body: string): Problem {
  const said = messagesOf(body)
  if (status === 401)
    return new Problem('unauthenticated', 'splunk refuses the token or the password', {
      remedy: 'check token of splunk: it may have expired, or token authentication is off',
    })
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
