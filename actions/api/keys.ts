/** The signing key and the epoch: begun anew when an administrator says so. */
import { z } from '@hono/zod-openapi'
import { newEpoch } from '../flow/epoch.ts'
import type { Flow } from '../flow/flow.ts'
import { appendJournal } from '../store/journal.ts'
import { type App, mount } from './route.ts'

export function mountKeys(app: App, flow: Flow): void {
  mount(app, {
    method: 'post',
    path: '/v1/keys/rotate',
    summary: 'Rotate the signing key',
    description:
      'A new key is announced under the old one and signs from now on; nodes learn it by themselves. With retire it is announced alone, and nodes drop all keys before it.',
    tag: 'administration',
    access: 'admin',
    query: z.strictObject({
      retire: z.enum(['true', 'false']).default('false').meta({
        description: 'the old keys are trusted no longer: for when one may be stolen',
        example: 'true',
      }),
    }),
    answer: {
      status: 200,
      schema: z.object({ success: z.literal(true), kid: z.string() }),
      description: 'the new key',
      example: { success: true, kid: 'NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs' },
    },
    handle: async ({ query, caller }) => {
      const retire = query.retire === 'true'
      const before = flow.keys.current().kid
      const note = (kid: string) =>
        flow.store.write((tx) =>
          appendJournal(tx, [
            {
              at: flow.now(),
              actor: caller.actor,
              action: 'key.rotate',
              subject: kid,
              before: { kid: before },
              after: { kid, ...(retire && { retired: 'all before' }) },
            },
          ]),
        )
      return { kid: await flow.keys.rotate(flow.now(), note, retire) }
    },
  })

  mount(app, {
    method: 'post',
    path: '/v1/epoch',
    summary: 'Begin a new epoch',
    description:
      'After the store was restored from a backup or moved: every node asks for the whole state anew.',
    tag: 'administration',
    access: 'admin',
    answer: {
      status: 200,
      schema: z.object({ success: z.literal(true), epoch: z.int() }),
      description: 'the new epoch',
      example: { success: true, epoch: 2 },
    },
    handle: async ({ caller }) => ({
      epoch: await newEpoch(flow.store, flow.hub, caller.actor, flow.now()),
    }),
  })
}
