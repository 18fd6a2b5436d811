/** How the management interface of a search head is asked, and as whom. */
import { isLoopback } from '#contract/address.ts'
import { Problem } from '#contract/problem.ts'
import type { Settings } from './settings.ts'

export type Account = {
  authorization: string
  /** Below `services`, whatever the app. */
  url(path: string): string
  /** In the app where saved searches, lookups and macros are found. */
  appUrl(path: string): string
}

/** Throws `setting_invalid`. */
export function readAccount(settings: Settings): Account {
  const { host = '', port, security, app } = settings
  if (security === 'none' && !isLoopback(host))
    throw new Problem('setting_invalid', 'splunk would be asked in the clear', {
      remedy: 'use security tls; none is for loopback only',
    })
  const name = host.includes(':') && !host.startsWith('[') ? `[${host}]` : host
  const base = `${security === 'none' ? 'http' : 'https'}://${name}:${port}`
  const inApp = app === undefined ? 'services' : `servicesNS/nobody/${app}`
  return {
    authorization: authorizationOf(settings),
    url: (path) => `${base}/services/${path}`,
    appUrl: (path) => `${base}/${inApp}/${path}`,
  }
}

function authorizationOf({ token, user, password }: Settings): string {
  if (token !== undefined && user === undefined) return `Bearer ${token}`
  if (token === undefined && user !== undefined && password !== undefined)
    return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
  throw new Problem('setting_invalid', 'splunk needs a token, or a user with a password', {
    remedy: 'set CORDON_SPLUNK_TOKEN_FILE, or CORDON_SPLUNK_USER and CORDON_SPLUNK_PASSWORD_FILE',
  })
}
