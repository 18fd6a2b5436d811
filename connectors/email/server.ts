/** The settings of a mailbox, checked, as the library takes them. */
import { isLoopback } from '#contract/address.ts'
import { Problem } from '#contract/problem.ts'
import type { Settings } from './settings.ts'

/** What a mail needs. Throws `setting_invalid` for what is missing or would go in the clear. */
export function complete(settings: Settings) {
  const { host, port, security, ca, user, password, from, to, timeout } = settings
  if (host === undefined || from === undefined || to.length === 0)
    throw invalid(
      'email needs host, from and to',
      'set them in connectors.email of the settings file',
    )
  if (security === 'none' && !isLoopback(host))
    throw invalid(`mail to ${host} would go in the clear`, 'set security to starttls or tls')
  if ((user === undefined) !== (password === undefined))
    throw invalid('email has a user without a password, or the reverse', 'give both or neither')
  const server = {
    host,
    port: port ?? (security === 'tls' ? 465 : 587),
    secure: security === 'tls',
    requireTLS: security === 'starttls',
    ignoreTLS: security === 'none',
    ...(ca !== undefined && { tls: { ca } }),
    ...(user !== undefined && { auth: { user, pass: password } }),
    connectionTimeout: timeout,
    greetingTimeout: timeout,
    socketTimeout: timeout,
    dnsTimeout: timeout,
    socketCloseTimeout: 500,
    disableFileAccess: true,
    disableUrlAccess: true,
  }
  return { from, to, server }
}

function invalid(message: string, remedy: string): Problem {
  return new Problem('setting_invalid', message, { remedy })
}
