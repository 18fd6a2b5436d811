/** Channels of notice: how they fare, what they could not be told, and trying them out. */
import { z } from '@hono/zod-openapi'
import { Notice } from '#contract/notice.ts'
import { printTime } from '#contract/time.ts'
import type { Notices } from '../notice/notices.ts'
import { listDeadLetters } from '../store/notices.ts'
import type { Store } from '../store/store.ts'
import { type App, mount } from './route.ts'

const Done = z.object({ success: z.literal(true), message: z.string() })

const ChannelShape = z
  .object({
    name: z.string(),
    state: z.enum(['ready', 'failing']),
    waiting: z.int().meta({ description: 'notices that are still to be told' }),
    last: z.string().optional().meta({ description: 'when it took something last' }),
    problem: z.string().optional(),
  })
  .meta({ id: 'Channel' })

const DeadLetterShape = z
  .object({
    id: z.string(),
    channel: z.string(),
    created: z.string(),
    tries: z.int(),
    problem: z.string(),
    notices: z.array(Notice),
  })
  .meta({ id: 'DeadLetter' })

const letterId = 'l-4x7k2m9qz1hb0wfa'

export type NoticeSide = { store: Store; notices: Notices }

export function mountNotices(app: App, { store, notices }: NoticeSide): void {
  mount(app, {
    method: 'get',
    path: '/v1/notices/channels',
    summary: 'List channels of notice',
    tag: 'administration',
    access: 'read',
    answer: {
      status: 200,
      schema: z.object({ success: z.literal(true), channels: z.array(ChannelShape) }),
      description: 'how each fares',
      example: { success: true, channels: [{ name: 'email', state: 'ready', waiting: 0 }] },
    },
    handle: async () => ({ channels: notices.channels() }),
  })

  mount(app, {
    method: 'get',
    path: '/v1/notices/dead',
    summary: 'List dead letters',
    description: 'Messages that a channel did not take however often it was tried.',
    tag: 'administration',
    access: 'read',
    query: z.strictObject({
      limit: z.coerce.number().int().min(1).max(1_000).default(100).meta({ example: 100 }),
    }),
    answer: {
      status: 200,
      schema: z.object({ success: z.literal(true), dead: z.array(DeadLetterShape) }),
      description: 'newest first',
      example: { success: true, dead: [] },
    },
    handle: async ({ query }) => {
      const letters = await listDeadLetters(store.read, query.limit)
      return { dead: letters.map((letter) => ({ ...letter, created: printTime(letter.created) })) }
    },
  })

  mount(app, {
    method: 'post',
    path: '/v1/notices/dead/{id}/resend',
    summary: 'Send a dead letter again',
    tag: 'administration',
    access: 'admin',
    params: z.object({ id: z.string().meta({ example: letterId }) }),
    answer: {
      status: 200,
      schema: Done,
      description: 'the channel took it',
      example: { success: true, message: `email took ${letterId}` },
    },
    problems: ['not_found', 'conflict', 'service_unreachable'],
    handle: async ({ params, caller }) => {
      const { id, channel } = await notices.resend(params.id, caller.actor)
      return { message: `${channel} took ${id}` }
    },
  })

  mount(app, {
    method: 'post',
    path: '/v1/notices/test',
    summary: 'Send a test notice',
    tag: 'administration',
    access: 'admin',
    body: z.strictObject({ channel: z.string().min(1).max(60).meta({ example: 'email' }) }),
    bodyExample: { channel: 'email' },
    answer: {
      status: 200,
      schema: Done,
      description: 'the channel took it',
      example: { success: true, message: 'email took a test notice' },
    },
    problems: ['not_found', 'service_unreachable'],
    handle: async ({ body }) => {
      await notices.test(body.channel)
      return { message: `${body.channel} took a test notice` }
    },
  })
}
