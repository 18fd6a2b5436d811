/** How long things are kept, what would go now, and the order to let it go. */
import { z } from '@hono/zod-openapi'
import { printDuration } from '#contract/duration.ts'
import type { Flow } from '../flow/flow.ts'
import { retain, wouldRetain } from '../flow/retain.ts'
import type { RetentionSettings } from '../retention-settings.ts'
import { readSpace } from '../store/retention.ts'
import { type App, mount } from './route.ts'

const Rows = z.object({
  alerts: z.int(),
  originals: z.int().meta({ description: "vendor's records within alerts that stay" }),
  decisions: z.int(),
  receipts: z.int(),
  journal: z.int(),
  intelligence: z.int(),
})

const rowsExample = {
  alerts: 120,
  originals: 30,
  decisions: 4,
  receipts: 12,
  journal: 0,
  intelligence: 55,
}

/** Rows of one request at most, about: whoever waits for the answer asks again for the rest. */
const rowsOfRequest = 20_000

export function mountRetention(app: App, flow: Flow): void {
  const settings = flow.retention
  mount(app, {
    method: 'get',
    path: '/v1/retention',
    summary: 'Show the retention',
    tag: 'administration',
    access: 'read',
    answer: {
      status: 200,
      schema: z.object({
        success: z.literal(true),
        kept: z.object({
          alerts: z.string(),
          originals: z.string(),
          decisions: z.string(),
          journal: z.string(),
          intelligence: z.string(),
        }),
        due: Rows.meta({ description: 'rows that are of age and would go now' }),
        bytes: z.int().meta({ description: 'size of the database' }),
        free_bytes: z.int().meta({
          description: 'of these, room that is used again before the database grows',
        }),
      }),
      description: 'how long things are kept, and what is due',
      example: {
        success: true,
        kept: {
          alerts: '90d',
          originals: 'with the alert',
          decisions: '400d',
          journal: 'for ever',
          intelligence: '30d',
        },
        due: rowsExample,
        bytes: 73_400_320,
        free_bytes: 4_096,
      },
    },
    handle: async () => {
      const due = await wouldRetain(flow.store, settings, flow.now(), flow.journalReaders)
      const { bytes, free } = await readSpace(flow.store.read)
      return { kept: printKept(settings), due, bytes, free_bytes: free }
    },
  })

  mount(app, {
    method: 'post',
    path: '/v1/retention/run',
    summary: 'Let go of what is due',
    description: `The clock does so every hour. One request lets go of about ${rowsOfRequest} rows; ask again while more is true.`,
    tag: 'administration',
    access: 'admin',
    answer: {
      status: 200,
      schema: z.object({ success: z.literal(true), gone: Rows, more: z.boolean() }),
      description: 'rows that went',
      example: { success: true, gone: rowsExample, more: false },
    },
    handle: ({ caller: { actor } }) =>
      retain(flow.store, settings, flow.now(), {
        limit: rowsOfRequest,
        actor,
        readers: flow.journalReaders,
      }),
  })
}

function printKept({ alerts, originals, decisions, journal, intelligence }: RetentionSettings) {
  return {
    alerts: days(alerts),
    originals: originals === undefined ? 'with the alert' : days(originals),
    decisions: days(decisions),
    journal: journal === undefined ? 'for ever' : days(journal),
    intelligence: days(intelligence),
  }
}

/** As the settings are written mostly: `90d` says more than 12 weeks and 6 days. */
function days(ms: number): string {
  const whole = ms / (24 * 3_600_000)
  return Number.isInteger(whole) ? `${whole}d` : printDuration(ms)
}
