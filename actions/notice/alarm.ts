/** A rest that can be cut short; what rings during work cuts the next one short. */
import type { Pause } from '../flow/try-for.ts'

/** Commits come in thousands a second: so long after the first ring it is awake once for all of them. */
const gatherMs = 200

export type Alarm = {
  ring(): void
  rest(ms: number, stop: AbortSignal): Promise<void>
}

export function openAlarm(pause: Pause, gather = gatherMs): Alarm {
  let bell = new AbortController()
  return {
    ring: () => bell.abort(),
    rest: async (ms: number, stop: AbortSignal) => {
      await pause(ms, AbortSignal.any([stop, bell.signal]))
      if (!bell.signal.aborted) return
      bell = new AbortController()
      await pause(gather, stop)
    },
  }
}
