/** The service's public keys, for whoever verifies what it signed. */
import { z } from '@hono/zod-openapi'
import { KeySet } from '#contract/key.ts'
import type { Flow } from '../flow/flow.ts'
import { type App, mount } from './route.ts'

export function mountPublicKeys(app: App, flow: Flow): void {
  mount(app, {
    method: 'get',
    path: '/v1/keys',
    summary: 'List key announcements',
    description: 'Each is a key set under the signature of the key before it.',
    tag: 'agents',
    access: 'anybody',
    answer: {
      status: 200,
      schema: z.object({ success: z.literal(true), announcements: z.array(z.string()) }),
      description: 'oldest first',
      example: { success: true, announcements: [] },
    },
    handle: async () => ({ announcements: flow.keys.announcements() }),
  })

  mount(app, {
    method: 'get',
    path: '/.well-known/jwks.json',
    summary: 'Show the public keys',
    tag: 'agents',
    access: 'anybody',
    answer: {
      status: 200,
      schema: KeySet,
      description: 'a JWKS (RFC 7517)',
      example: { keys: [] },
    },
    handle: async (_, context) => context.json({ keys: flow.keys.published() }),
  })
}
