/** Notices by e-mail. */
import { createTransport } from 'nodemailer'
import type { Connector, Publisher } from '#contract/connector.ts'
import { messageId } from '../message.ts'
import { mailOf } from './mail.ts'
import { explainRefused, explainSmtp, type Refused, refusedIn } from './refused.ts'
import { complete } from './server.ts'
import { Settings } from './settings.ts'
import { testMailbox } from './test-mailbox.ts'

export const connector: Connector<Settings> = {
  name: 'email',
  title: 'E-mail',
  settings: Settings,
  environment: {
    host: 'SMTP_SERVER',
    port: 'SMTP_PORT',
    user: 'SMTP_USER',
    password: 'SMTP_PASSWORD',
  },
  publisher: openMailbox,
  test: testMailbox,
}

/** Messages of which some recipients were refused for the time being, that are remembered. */
const remembered = 100

/** Throws `setting_invalid`. */
function openMailbox(settings: Settings): Publisher {
  const { from, to, server } = complete(settings)
  const transport = createTransport(server)
  /** Who has a message already, so that a try for the others does not send it twice. */
  const taken = new Map<string, Set<string>>()

  const send = async (
    mail: ReturnType<typeof mailOf>,
    left: string[],
    signal: AbortSignal,
  ): Promise<Refused[]> => {
    try {
      const sent = await transport.sendMail({ ...mail, envelope: { from, to: left }, signal })
      return refusedIn(sent.rejectedErrors)
    } catch (error) {
      const refused = refusedIn(error)
      // Only when all were refused: else it was the message that failed, for everybody.
      if (refused.length === left.length) return refused
      throw explainSmtp(error)
    }
  }

  return {
    channel: settings,
    publish: async (notices, signal) => {
      const id = messageId(notices)
      const done = taken.get(id) ?? new Set()
      const left = to.filter((address) => !done.has(address))
      const limit = AbortSignal.any([signal, AbortSignal.timeout(settings.timeout * 3)])
      const refused = await send(mailOf(notices, id, from, to), left, limit)
      taken.delete(id)
      if (refused.length === 0) return
      const missed = new Set(refused.map(({ address }) => address))
      for (const address of left) if (!missed.has(address)) done.add(address)
      taken.set(id, done)
      if (taken.size > remembered) taken.delete(taken.keys().next().value ?? '')
      throw explainRefused(refused, to.length)
    },
    close: async () => transport.close(),
  }
}
