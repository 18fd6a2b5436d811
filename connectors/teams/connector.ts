/** Notices into a Teams channel by the web hook of a workflow. */
import { z } from 'zod'
import type { Connector, Publisher } from '#contract/connector.ts'
import { hookShape } from '../hook-settings.ts'
import { post, readHookUrl } from '../post.ts'
import { teamsMessage } from './message.ts'

export const Settings = z.strictObject(hookShape)
export type Settings = z.output<typeof Settings>

export const connector: Connector<Settings> = {
  name: 'teams',
  title: 'Microsoft Teams',
  settings: Settings,
  publisher: (settings): Publisher => {
    const { timeout, ca } = settings
    const hook = { url: readHookUrl('teams', settings.url), timeoutMs: timeout, ca, now: Date.now }
    return {
      channel: settings,
      publish: (notices, signal) => post(hook, JSON.stringify(teamsMessage(notices)), {}, signal),
    }
  },
}
