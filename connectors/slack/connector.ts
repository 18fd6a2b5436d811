/** Notices into a Slack channel by an incoming web hook. */
import type { Connector } from '#contract/connector.ts'
import { ChatSettings, chatPublisher } from '../chat-publisher.ts'
import { testHook } from '../test-hook.ts'
import { slackMessage } from './message.ts'

export const connector: Connector<ChatSettings> = {
  name: 'slack',
  title: 'Slack',
  settings: ChatSettings,
  publisher: (settings) => chatPublisher('slack', settings, slackMessage),
  test: (settings, signal) => testHook('slack', settings, signal),
}
