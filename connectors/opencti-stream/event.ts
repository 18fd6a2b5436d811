/** One event of the stream as the source hands it on: the frame's own name of it counts, not what its data says. */
import { z } from 'zod'
import { notUnderstood, readObject } from '../read-record.ts'
import { isEventId } from './place.ts'

export const eventNames = ['create', 'update', 'delete', 'merge'] as const
export type EventName = (typeof eventNames)[number]

export const expected = 'an event of an OpenCTI live stream as {id, event, data}'

/** What the frame says and its data, parsed. */
export type StreamRecord = { id: string; event: EventName; data: unknown }

const Origin = z.looseObject({
  user_id: z.string().optional().catch(undefined),
  applicant_id: z.string().optional().catch(undefined),
  referer: z.string().optional().catch(undefined),
})
const Change = z.looseObject({ op: z.string(), path: z.string(), value: z.unknown() })
const Context = z.looseObject({
  reverse_patch: z.array(Change).catch([]).prefault([]),
  sources: z.array(z.unknown()).catch([]).prefault([]),
})
const Shape = z.looseObject({
  id: z.string().refine(isEventId),
  event: z.string(),
  data: z.looseObject({
    type: z.string().optional().catch(undefined),
    origin: Origin.catch({}).prefault({}),
    context: Context.optional().catch(undefined),
    data: z.looseObject({ id: z.string().min(1).max(100), type: z.string() }),
  }),
})

export type StreamEvent = {
  id: string
  event: EventName
  /** What the data says that happened; another word than `event` when an object leaves or enters the stream's filter. */
  type: string | undefined
  origin: z.output<typeof Origin>
  object: { readonly id: string; readonly type: string; readonly [key: string]: unknown }
  context: z.output<typeof Context> | undefined
}

/** Undefined for kinds of events that are not known. Throws `malformed_json` and `invalid_input`. */
export function readEvent(record: unknown): StreamEvent | undefined {
  const read = Shape.safeParse(readObject(record, expected))
  if (!read.success) {
    const issue = read.error.issues[0]
    throw notUnderstood(
      `expected ${expected}, at ${issue?.path.join('.')}: ${issue?.message}`,
      expected,
    )
  }
  const { id, data } = read.data
  const event = eventNames.find((name) => name === read.data.event)
  const { type, origin, context } = data
  return event && { id, event, type, origin, object: data.data, context }
}
