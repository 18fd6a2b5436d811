/** The journal as a stream, for a SIEM or a spreadsheet. */
import { z } from '@hono/zod-openapi'
import { readTime } from '#contract/time.ts'
import { exportFormats, exportJournal, exportTypes } from '../export/export-journal.ts'
import type { Flow } from '../flow/flow.ts'
import { newestSeq } from '../store/newest-seq.ts'
import { type App, mount } from './route.ts'

const Time = z
  .string()
  .transform((text, context) => {
    const ms = readTime(text)
    if (ms !== undefined) return ms
    context.addIssue({ code: 'custom', message: 'no RFC 3339 time with a zone' })
    return z.NEVER
  })
  .meta({ type: 'string', example: '2026-03-01T00:00:00.000Z' })

const megabyte = 1_024 * 1_024

/** The newest line of the journal when the answer began: how far it is to go. */
const newestLineHeader = 'x-cordon-newest-line'

export function mountExport(app: App, flow: Flow): void {
  mount(app, {
    method: 'get',
    path: '/v1/journal/export',
    summary: 'Export the journal',
    description:
      'Lines with the decision that they are about, oldest first: documents of the Elastic Common Schema, one a line, or CSV. An answer ends before a line that would make it longer than limit_bytes, but holds at least one. Ask again with the number of its last line (event.sequence, or the first column) as after, until an answer holds none.',
    tag: 'administration',
    access: 'read',
    query: z.strictObject({
      format: z.enum(exportFormats).default('ndjson').meta({ example: 'ndjson' }),
      after: z.coerce.number().int().min(0).default(0).meta({ example: 0 }),
      since: Time.optional().meta({ description: 'from this time on' }),
      until: Time.optional().meta({ description: 'before this time' }),
      limit_bytes: z.coerce
        .number()
        .int()
        .min(1)
        .max(1_024 * megabyte)
        .default(64 * megabyte)
        .meta({ example: megabyte }),
      organization: z.string().min(1).max(200).optional().meta({ example: 'Example Ltd' }),
    }),
    answer: {
      status: 200,
      schema: z.string(),
      type: Object.values(exportTypes),
      description: 'lines; nothing, or the heading alone, when there are none',
      example: '{"@timestamp":"2026-03-01T01:02:03.456Z","event":{"action":"decision.issue"}}\n',
    },
    handle: async ({ query }, context) => {
      const { limit_bytes: limitBytes, ...wanted } = query
      const pages = exportJournal(flow.store.read, { ...wanted, limitBytes })
      const newest = await newestSeq(flow.store.read)
      // What the store says against it is said with a status, for which the first page must not be sent yet.
      const first = await pages.next()
      return context.body(toStream(first, pages), 200, {
        'content-type': `${exportTypes[query.format]}; charset=utf-8`,
        'cache-control': 'no-store',
        [newestLineHeader]: String(newest),
      })
    },
  })
}

/** A page is read when the reader has taken the one before it, and none after he has gone. */
function toStream(
  first: IteratorResult<string>,
  pages: AsyncGenerator<string>,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder()
  let next: IteratorResult<string> | undefined = first
  return new ReadableStream<Uint8Array>(
    {
      pull: async (controller) => {
        const page = next ?? (await pages.next())
        next = undefined
        if (page.done) controller.close()
        else controller.enqueue(encoder.encode(page.value))
      },
      cancel: async () => {
        await pages.return(undefined)
      },
    },
    { highWaterMark: 0 },
  )
}
