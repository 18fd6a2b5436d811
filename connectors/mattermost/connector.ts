/** Notices into a Mattermost channel by an incoming web hook. */
import type { Connector } from '#contract/connector.ts'
import { ChatSettings, chatPublisher } from '../chat-publisher.ts'
import { testHook } from '../test-hook.ts'
import { mattermostMessage } from './message.ts'

export const connector: Connector<ChatSettings> = {
  name: 'mattermost',
  title: 'Mattermost',
  settings: ChatSettings,
  publisher: (settings) => chatPublisher('mattermost', settings, mattermostMessage),
  test: (settings, signal) => testHook('mattermost', settings, signal),
}
