/** The commands of channels of notice. */
import type { Command } from '../command.ts'
import { limit } from './words.ts'

export const notices: readonly Command[] = [
  {
    words: ['notice', 'list'],
    summary: 'List the channels of notice, and the dead letters that they did not take',
    arguments: [],
    options: [{ ...limit, description: 'at most so many dead letters, 100 when not set' }],
    example: 'notice list',
    load: async () => (await import('../notice.ts')).listNotices,
  },
  {
    words: ['notice', 'test'],
    summary: 'Send a test notice to a channel, and say whether it took it',
    arguments: [{ name: 'channel', description: 'name of the channel, such as email' }],
    options: [],
    example: 'notice test email',
    load: async () => (await import('../notice.ts')).testNotice,
  },
  {
    words: ['notice', 'resend'],
    summary: 'Send a dead letter again; it is gone when the channel takes it',
    arguments: [{ name: 'id', description: 'id of the dead letter, as "notice list" shows it' }],
    options: [],
    example: 'notice resend l-4x7k2m9qz1hb0wfa',
    load: async () => (await import('../notice.ts')).resendNotice,
  },
]
