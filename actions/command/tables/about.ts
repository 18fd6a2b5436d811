/** The commands about the commands. */
import type { Command } from '../command.ts'

export const about: readonly Command[] = [
  {
    words: ['help'],
    summary: 'Show all commands, or one of them',
    arguments: [
      {
        name: 'command',
        description: 'its words, such as decision list',
        optional: true,
        many: true,
      },
    ],
    options: [{ name: 'markdown', description: 'all of it as Markdown' }],
    example: 'help decision list',
    load: async () => (await import('../show-help.ts')).showHelp,
  },
  {
    words: ['version'],
    summary: 'Show the version',
    arguments: [],
    options: [],
    example: 'version',
    load: async () => (await import('../show-help.ts')).showVersion,
  },
]
