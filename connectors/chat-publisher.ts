/** The way into a chat by an incoming web hook: what the chats differ in is the shape of a message. */
import { z } from 'zod'
import type { Publisher } from '#contract/connector.ts'
import type { Notice } from '#contract/notice.ts'
import { hookShape } from './hook-settings.ts'
import { post, readHookUrl } from './post.ts'

export const ChatSettings = z.strictObject(hookShape)
export type ChatSettings = z.output<typeof ChatSettings>

/** Throws `setting_invalid` for a URL that is missing or wrong. */
export function chatPublisher(
  connector: string,
  settings: ChatSettings,
  messageOf: (notices: readonly Notice[]) => object,
): Publisher {
  const { timeout, ca } = settings
  const hook = { url: readHookUrl(connector, settings.url), timeoutMs: timeout, ca, now: Date.now }
  return {
    channel: settings,
    publish: (notices, signal) => post(hook, JSON.stringify(messageOf(notices)), {}, signal),
  }
}
