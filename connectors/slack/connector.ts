/** Notices into a Slack channel by an incoming web hook. */
import { z } from 'zod'
import type { Connector, Publisher } from '#contract/connector.ts'
import { hookShape } from '../hook-settings.ts'
import { post, readHookUrl } from '../post.ts'
import { slackMessage } from './message.ts'

export const Settings = z.strictObject(hookShape)
export type Settings = z.output<typeof Settings>

export const connector: Connector<Settings> = {
  name: 'slack',
  title: 'Slack',
  settings: Settings,
  publisher: (settings): Publisher => {
    const { timeout, ca } = settings
    const hook = { url: readHookUrl('slack', settings.url), timeoutMs: timeout, ca, now: Date.now }
    return {
      channel: settings,
      publish: (notices, signal) => post(hook, JSON.stringify(slackMessage(notices)), {}, signal),
    }
  },
}
