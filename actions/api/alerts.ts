/** Alerts in: one record or many, each with its own answer. And alerts as they were stored. */
import { z } from '@hono/zod-openapi'
import { AddressText } from '#contract/address.ts'
import { Alert } from '#contract/alert.ts'
import { Problem } from '#contract/problem.ts'
import { readTime } from '#contract/time.ts'
import type { Flow } from '../flow/flow.ts'
import { maxRecords, type RunningConnector, receive } from '../flow/receive.ts'
import { findAlert, listAlerts } from '../store/alerts.ts'
import { decisionStates } from '../store/decisions.ts'
import { type App, mount, ProblemSchema } from './route.ts'

const Recorded = z.object({
  alert: z.string(),
  result: z.enum(['stored', 'repeat']),
  decision: z.string(),
  outcome: z.enum(['block', 'review', 'watch', 'ignore', 'pending']).meta({
    description:
      'pending: stored, and judged once the providers that the policy asks have answered',
  }),
  state: z.enum([...decisionStates, 'pending']),
})
const Item = z.object({
  index: z.int(),
  status: z.enum(['stored', 'repeat', 'ignored', 'refused']),
  alerts: z.array(Recorded).optional(),
  withdrawn: z
    .array(
      z.object({
        of: z.string(),
        alerts: z.int().meta({ description: 'how many alerts were taken back' }),
        lifted: z.array(z.string()).meta({ description: 'decisions that stood on them alone' }),
        stays: z.array(z.string()).meta({
          description: 'decisions that other alerts or a person stand behind',
        }),
      }),
    )
    .optional()
    .meta({ description: 'what the record takes back of what earlier ones said' }),
  problem: ProblemSchema.optional(),
})
const recordedExample = {
  alert: 'wazuh-6ae1c44fb1d4f0e3a6b8d2c0',
  result: 'stored',
  decision: 'd-4x7k2m9qz1hb0wfa',
  outcome: 'block',
  state: 'issued',
}

export function mountAlerts(app: App, flow: Flow): void {
  mount(app, {
    method: 'post',
    path: '/v1/alerts/{connector}',
    summary: 'Send alerts',
    description:
      'One record of the connector, or an array of up to 10,000. It is answered when the alerts, their decisions and the signed actions are on the disk. One broken record is refused by itself; sending a record again is harmless.',
    tag: 'alerts',
    access: 'ingest',
    params: z.object({ connector: z.string().meta({ example: 'wazuh' }) }),
    body: z.unknown().meta({ type: 'object' }),
    bodyExample: { timestamp: '2026-03-01T01:02:03.456+0000', rule: { id: '5763', level: 10 } },
    answer: {
      status: 200,
      schema: z.object({
        success: z.literal(true),
        stored: z.int(),
        repeats: z.int(),
        ignored: z.int(),
        refused: z.int(),
        items: z.array(Item),
      }),
      description: 'what became of each record, in order',
      example: {
        success: true,
        stored: 1,
        repeats: 0,
        ignored: 0,
        refused: 0,
        items: [{ index: 0, status: 'stored', alerts: [recordedExample] }],
      },
    },
    problems: ['not_found', 'malformed_json', 'too_large', 'overloaded'],
    handle: async ({ params, body }) => {
      const running = flow.connectors.get(params.connector)
      if (!running?.connector.read)
        throw new Problem('not_found', `no connector ${params.connector} takes alerts here`, {
          remedy: `running are ${readers(flow).join(', ')}; CORDON_CONNECTORS names them`,
        })
      const records = recordsOf(running, body)
      if (records.length > maxRecords)
        throw new Problem('too_large', `${records.length} records, more than ${maxRecords}`, {
          remedy: 'send them in several requests',
        })
      const items = await receive(flow.recorder, running, records, flow.now())
      for (const listen of running.listeners ?? []) listen()
      const count = (status: string) => items.filter((item) => item.status === status).length
      return {
        stored: count('stored'),
        repeats: count('repeat'),
        ignored: count('ignored'),
        refused: count('refused'),
        items,
      }
    },
  })

  mount(app, {
    method: 'get',
    path: '/v1/alerts',
    summary: 'List alerts',
    tag: 'alerts',
    access: 'read',
    query: z.strictObject({
      attacker: AddressText.optional(),
      before: z
        .string()
        .optional()
        .meta({ description: 'received before this time', example: '2026-03-01T01:02:03Z' }),
      limit: z.coerce.number().int().min(1).max(1_000).default(100).meta({ example: 100 }),
    }),
    answer: {
      status: 200,
      schema: z.object({
        success: z.literal(true),
        alerts: z.array(z.object({ alert: Alert, decision: z.string() })),
      }),
      description: 'newest first',
      example: { success: true, alerts: [] },
    },
    handle: async ({ query }) => {
      const before = query.before === undefined ? undefined : readTime(query.before)
      if (query.before !== undefined && before === undefined)
        throw new Problem('invalid_input', `"${query.before}" is no time`, {
          remedy: 'write RFC 3339 with a zone',
        })
      const { attacker, limit } = query
      return {
        alerts: await listAlerts(flow.store.read, {
          limit,
          ...(attacker !== undefined && { attacker }),
          ...(before !== undefined && { before }),
        }),
      }
    },
  })

  mount(app, {
    method: 'get',
    path: '/v1/alerts/by-id/{id}',
    summary: 'Show an alert',
    tag: 'alerts',
    access: 'read',
    params: z.object({ id: z.string().meta({ example: 'wazuh-6ae1c44fb1d4f0e3a6b8d2c0' }) }),
    answer: {
      status: 200,
      schema: z.object({ success: z.literal(true), alert: Alert, decision: z.string() }),
      description: 'the alert and the decision that it led to',
      example: { success: true, decision: 'd-4x7k2m9qz1hb0wfa' },
    },
    problems: ['not_found'],
    handle: async ({ params }) => {
      const found = await findAlert(flow.store.read, params.id)
      if (!found)
        throw new Problem('not_found', `there is no alert ${params.id}`, {
          remedy: 'see "cordon alert list"',
        })
      return found
    },
  })
}

function recordsOf({ connector }: RunningConnector, body: unknown): unknown[] {
  const given: unknown[] = Array.isArray(body) ? body : [body]
  const { split } = connector
  if (!split) return given
  return given.flatMap((one) => {
    try {
      return split(one)
    } catch {
      // Reading it says what is wrong with it, and of it alone.
      return [one]
    }
  })
}

function readers({ connectors }: Flow): string[] {
  return [...connectors].filter(([, { connector }]) => connector.read).map(([name]) => name)
}
