/** A chunk of networks as an answer: what is the same for lists and for the countries of standing rules. */
import { z } from '@hono/zod-openapi'
import type { RouteContext } from './route.ts'

export const chunkDescription =
  'Under its digest it is always the same, so that any cache may keep and relay it.'

export const chunkAnswer = {
  status: 200,
  schema: z.string(),
  description: 'the chunk as it was digested: networks in order',
  example: '["192.0.2.0/24"]',
} as const

export function answerChunk(context: RouteContext, text: string): Response {
  return context.body(text, 200, {
    'content-type': 'application/json',
    'cache-control': 'public, max-age=86400, immutable',
  })
}
