/** What a mail server says no to, and whether to try again is of use. */
import { printable } from '#contract/printable.ts'
import { Problem } from '#contract/problem.ts'

export type Refused = { address: string; status: number; told: string }

/** The recipients that were refused: in the error when all were, else beside the result. */
export function refusedIn(found: unknown): Refused[] {
  const list = Array.isArray(found) ? found : field(found, 'rejectedErrors')
  if (!Array.isArray(list)) return []
  return list.map((error: unknown) => ({
    address: String(field(error, 'recipient') ?? ''),
    status: Number(field(error, 'responseCode') ?? 0),
    told: textOf(error),
  }))
}

/** Tried again as long as one of them may be accepted later; those that have the message are left out then. */
export function explainRefused(refused: readonly Refused[], of: number): Problem {
  const named = refused.map(({ address, told }) => `${address} (${told})`).join(', ')
  const message = printable(`${refused.length} of ${of} recipients are refused: ${named}`)
  return refused.every(({ status }) => isFinal(status))
    ? new Problem('invalid_input', message, { remedy: 'correct the list in to' })
    : new Problem('service_unreachable', message, {
        remedy:
          'notices are tried again by themselves; when it lasts, see whether this machine reaches it',
      })
}

/** A refused password is tried again: it is about the settings, and the notice is not lost by it. */
export function explainSmtp(error: unknown): Problem {
  const code = String(field(error, 'code') ?? '')
  const status = Number(field(error, 'responseCode') ?? 0)
  const told = textOf(error)
  if (code === 'EAUTH' || code === 'ENOAUTH')
    return new Problem('unauthenticated', `the mail server refuses the user or password: ${told}`, {
      remedy: 'correct user and password, and start the service again',
    })
  const cause = String(field(error, 'originalCode') ?? '')
  if (code === 'ETLS' || /CERT|SSL|SELF_SIGNED|UNABLE_TO|ALTNAME/.test(cause))
    return new Problem('untrusted_service', `no trusted connection to the mail server: ${told}`, {
      remedy: 'check security, port and ca',
    })
  if (isFinal(status) || code === 'ECONFIG' || (code === 'EENVELOPE' && status === 0))
    return new Problem('invalid_input', `the mail server refuses the message: ${told}`, {
      remedy: 'check from and to, then send the dead letter again',
    })
  return new Problem('service_unreachable', `the mail was not taken: ${told}`, {
    remedy:
      'notices are tried again by themselves; when it lasts, see whether this machine reaches it',
  })
}

/** What goes wrong before there is a mail to be refused. */
export function explainSession(error: unknown): Problem {
  const known = explainSmtp(error)
  if (known.code === 'unauthenticated' || known.code === 'untrusted_service') return known
  return new Problem('service_unreachable', `the mail server does not go on: ${textOf(error)}`, {
    remedy: 'check host, port and security, and what the log of the mail server says of it',
  })
}

/** 503 is about the order of commands, not about the message. */
function isFinal(status: number): boolean {
  return status >= 500 && status <= 599 && status !== 503
}

function textOf(error: unknown): string {
  const told = field(error, 'response') ?? field(error, 'message') ?? 'no reason given'
  return printable(String(told), 150)
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}
