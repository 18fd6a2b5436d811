/** Notices into a Teams channel by the web hook of a workflow. */
import type { Connector } from '#contract/connector.ts'
import { ChatSettings, chatPublisher } from '../chat-publisher.ts'
import { testHook } from '../test-hook.ts'
import { teamsMessage } from './message.ts'

export const connector: Connector<ChatSettings> = {
  name: 'teams',
  title: 'Microsoft Teams',
  settings: ChatSettings,
  publisher: (settings) => chatPublisher('teams', settings, teamsMessage),
  test: (settings, signal) => testHook('teams', settings, signal),
}
