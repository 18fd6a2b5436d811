/** `cordon notice`: the channels, what they could not be told, and trying them out. */
import { z } from 'zod'
import { printable } from '#contract/printable.ts'
import { answer, queryOf } from './answer.ts'
import { Message } from './answers.ts'
import { openClient } from './client.ts'
import type { Handler } from './command.ts'
import { printAgo, printColumns } from './paint.ts'

const Channels = z.looseObject({
  channels: z.array(
    z.looseObject({
      name: z.string(),
      state: z.string(),
      waiting: z.int(),
      last: z.string().optional(),
      problem: z.string().optional(),
    }),
  ),
})
const DeadLetters = z.looseObject({
  dead: z.array(
    z.looseObject({
      id: z.string(),
      channel: z.string(),
      created: z.string(),
      tries: z.int(),
      problem: z.string(),
      notices: z.array(z.looseObject({ title: z.string() })),
    }),
  ),
})

export const listNotices: Handler = async (asked, io) => {
  const client = openClient(io.environment)
  const { channels } = await client.get('/v1/notices/channels', Channels)
  const query = queryOf({ limit: asked.option('limit') })
  const { dead } = await client.get(`/v1/notices/dead${query}`, DeadLetters)
  const rows = channels.map(({ name, state, waiting, last, problem }) => [
    name,
    state,
    String(waiting),
    last === undefined ? '-' : printAgo(last, io.now()),
    printable(problem ?? '', 80),
  ])
  const letters = dead.map(({ id, channel, created, tries, problem, notices }) => [
    id,
    channel,
    printAgo(created, io.now()),
    String(tries),
    printable(titleOf(notices), 60),
    printable(problem, 80),
  ])
  answer(asked, io, { channels, dead }, () =>
    [
      rows.length === 0
        ? 'nobody is told anything: no channel of notice is among connectors (email, webhook-out, slack, teams, mattermost)\n'
        : printColumns(io, ['CHANNEL', 'STATE', 'WAITING', 'LAST', 'PROBLEM'], rows),
      ...(letters.length > 0
        ? [
            '\n',
            printColumns(
              io,
              ['DEAD LETTER', 'CHANNEL', 'WHEN', 'TRIES', 'NOTICE', 'PROBLEM'],
              letters,
            ),
          ]
        : []),
    ].join(''),
  )
  return 0
}

export const testNotice: Handler = async (asked, io) => {
  const body = { channel: asked.argument('channel') }
  const done = await openClient(io.environment).post('/v1/notices/test', body, Message)
  answer(asked, io, done, () => `${printable(done.message)}\n`)
  return 0
}

export const resendNotice: Handler = async (asked, io) => {
  const path = `/v1/notices/dead/${encodeURIComponent(asked.argument('id'))}/resend`
  const done = await openClient(io.environment).post(path, {}, Message)
  answer(asked, io, done, () => `${printable(done.message)}\n`)
  return 0
}

function titleOf(notices: readonly { title: string }[]): string {
  const rest = notices.length > 1 ? ` (and ${notices.length - 1} more)` : ''
  return `${notices[0]?.title ?? ''}${rest}`
}
