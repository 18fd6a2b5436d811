/** Notices into a Mattermost channel by an incoming web hook. */
import type { Connector } from '#contract/connector.ts'
import { ChatSettings, chatPublisher } from '../chat-publisher.ts'
import { mattermostMessage } from './message.ts'

export const connector: Connector<ChatSettings> = {
  name: 'mattermost',
  title: 'Mattermost',
  settings: ChatSettings,
  publisher: (settings) => chatPublisher('mattermost', settings, mattermostMessage),
}
