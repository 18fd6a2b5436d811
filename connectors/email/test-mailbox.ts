/** Tries the mail server up to the point where a mail would be given to it: reach, TLS, login. */
import { createTransport } from 'nodemailer'
import type { Finding } from '#contract/connector.ts'
import { Problem } from '#contract/problem.ts'
import { findInOrder } from '../find.ts'
import { reach } from '../reach.ts'
import { explainSession } from './refused.ts'
import { complete } from './server.ts'
import type { Settings } from './settings.ts'

export function testMailbox(settings: Settings, signal: AbortSignal): Promise<Finding[]> {
  const { security, user, timeout } = settings
  return findInOrder([
    {
      what: 'settings',
      find: () => {
        const { from, to } = complete(settings)
        return `mail from ${from} to ${to.join(', ')}`
      },
    },
    {
      what: 'mail server',
      find: () => {
        const { host, port } = complete(settings).server
        return reach({ host, port, tls: false }, timeout, signal)
      },
    },
    {
      what: user === undefined ? 'session' : 'login',
      find: async () => {
        await openSession(settings, signal)
        return `${how[security]}${user === undefined ? '' : `, ${user} may log in`}; no mail was sent`
      },
    },
  ])
}

const how = {
  starttls: 'greets and goes over to TLS',
  tls: 'greets over TLS',
  none: 'greets in plain text',
} as const

/**
 * A user that is set is tried also where the server does not offer to log in. When the test has to end nobody waits any
 * more; the library then ends its connection by the time limit of the settings.
 */
async function openSession(settings: Settings, signal: AbortSignal): Promise<void> {
  const { server } = complete(settings)
  const transport = createTransport({ ...server, forceAuth: 'auth' in server })
  const { promise: late, reject } = Promise.withResolvers<never>()
  const cut = () => reject(tooLate())
  signal.addEventListener('abort', cut, { once: true })
  if (signal.aborted) cut()
  try {
    await Promise.race([transport.verify(), late])
  } catch (error) {
    throw error instanceof Problem ? error : explainSession(error)
  } finally {
    signal.removeEventListener('abort', cut)
    transport.close()
  }
}

function tooLate(): Problem {
  return new Problem('service_unreachable', 'the mail server did not answer in time', {
    remedy: 'check port and security: a server that waits for TLS greets nobody',
  })
}
