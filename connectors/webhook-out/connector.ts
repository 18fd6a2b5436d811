/** Notices as signed JSON to anybody's web hook, as Standard Webhooks describes it. */
import { Webhook } from 'standardwebhooks'
import { z } from 'zod'
import type { Connector, Finding, Publisher } from '#contract/connector.ts'
import { Problem } from '#contract/problem.ts'
import { findInOrder } from '../find.ts'
import { hookShape } from '../hook-settings.ts'
import { messageId } from '../message.ts'
import { post, readHookUrl } from '../post.ts'
import { testHook } from '../test-hook.ts'

export const Settings = z.strictObject({
  secret: z.string().optional().meta({
    description: 'whsec_ and 24 to 64 random bytes in base64, which the receiver has too',
  }),
  ...hookShape,
})
export type Settings = z.output<typeof Settings>

export const connector: Connector<Settings> = {
  name: 'webhook-out',
  title: 'Signed web hook',
  settings: Settings,
  publisher: (settings) => openWebhook(settings, Date.now),
  test,
}

async function test(settings: Settings, signal: AbortSignal): Promise<Finding[]> {
  const read = () => {
    readSecret(settings.secret)
    return 'is of the right length; only the receiver can say whether it has the same'
  }
  const secret = await findInOrder([{ what: 'secret', find: read }])
  return [...secret, ...(await testHook('webhook-out', settings, signal))]
}

/** The id is that of the one notice, or of all together: the same at every try. */
export function openWebhook(settings: Settings, now: () => number): Publisher {
  const url = readHookUrl('webhook-out', settings.url)
  const webhook = new Webhook(readSecret(settings.secret))
  const hook = { url, timeoutMs: settings.timeout, ca: settings.ca, now }
  return {
    channel: settings,
    publish: async (notices, signal) => {
      const body = JSON.stringify({ version: 1, notices })
      const id = messageId(notices)
      const at = new Date(now())
      const headers = {
        'webhook-id': id,
        'webhook-timestamp': String(Math.floor(at.getTime() / 1_000)),
        'webhook-signature': webhook.sign(id, at, body),
      }
      await post(hook, body, headers, signal)
    },
  }
}

function readSecret(text: string | undefined): string {
  const bytes = Buffer.from(text?.replace(/^whsec_/, '') ?? '', 'base64')
  if (text !== undefined && bytes.length >= 24 && bytes.length <= 64)
    return bytes.toString('base64')
  throw new Problem('setting_invalid', 'webhook-out has no secret of 24 to 64 bytes in base64', {
    remedy:
      'make one with: echo whsec_$(openssl rand -base64 32), and give it in CORDON_WEBHOOK_OUT_SECRET_FILE',
  })
}
