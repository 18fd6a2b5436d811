/** Work for somebody outside, that ends in time whatever he does. */
import { setImmediate as turn } from 'node:timers/promises'
import { Problem } from '#contract/problem.ts'

/** Resolves after the time or when stopped. */
export type Pause = (ms: number, stop: AbortSignal) => Promise<void>

/** Throws what the work throws, or `service_unreachable` after the time; its signal is aborted in any case. */
export async function tryFor<T>(
  ms: number,
  work: (signal: AbortSignal) => Promise<T>,
  pause: Pause,
  stop: AbortSignal,
): Promise<T> {
  const over = new AbortController()
  const signal = AbortSignal.any([stop, over.signal])
  const late = async () => {
    await pause(ms, signal)
    // What was taken just when the service stops is not to be sent again.
    await turn()
    throw new Problem('service_unreachable', 'the other side took too long', {
      remedy: 'nothing to do: it is tried again',
    })
  }
  try {
    return await Promise.race([work(signal), late()])
  } finally {
    over.abort()
  }
}
