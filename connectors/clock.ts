/** Time as sources that ask again and again need it: an argument, so that tests have their own. */
import { setTimeout as wait } from 'node:timers/promises'

export type Clock = {
  /** Epoch milliseconds. */
  now(): number
  /** Resolves after the time or when stopped. */
  pause(ms: number, stop: AbortSignal): Promise<void>
}

export const systemClock: Clock = {
  now: Date.now,
  pause: async (ms, signal) => {
    // Being stopped is no fault.
    await wait(ms, undefined, { signal }).catch(() => {})
  },
}
