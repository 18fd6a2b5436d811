/** What the server says about the stream itself. */
import { z } from 'zod'
import type { Frame } from './frames.ts'

const Id = z.string().optional().catch(undefined)
const Connected = z.looseObject({ firstEventId: Id, lastEventId: Id })
const Data = z.looseObject({ origin: z.looseObject({ referer: Id }) })

/** Which events the server keeps; nothing of it when the frame is not understood. */
export function readConnected(frame: Frame): {
  firstEventId?: string | undefined
  lastEventId?: string | undefined
} {
  try {
    return Connected.safeParse(JSON.parse(frame.data)).data ?? {}
  } catch {
    return {}
  }
}

/** Why an event is sent that nobody just caused. */
export function readReferer(data: unknown): string | undefined {
  return Data.safeParse(data).data?.origin.referer
}
