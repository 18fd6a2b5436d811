/** One try of one message, that ends in time whatever the channel does. */
import { setImmediate as turn } from 'node:timers/promises'
import type { Publisher } from '#contract/connector.ts'
import type { Notice } from '#contract/notice.ts'
import { Problem } from '#contract/problem.ts'

/** Channels have their own, shorter limits; this is for one that hangs all the same. */
const longestTryMs = 5 * 60_000

export type Pause = (ms: number, stop: AbortSignal) => Promise<void>

export async function publish(
  publisher: Publisher,
  notices: readonly Notice[],
  pause: Pause,
  stop: AbortSignal,
): Promise<void> {
  const over = new AbortController()
  const signal = AbortSignal.any([stop, over.signal])
  const late = async () => {
    await pause(longestTryMs, signal)
    // What was taken just when the service stops is not to be sent again.
    await turn()
    throw new Problem('service_unreachable', 'the channel took too long', {
      remedy: 'nothing to do: it is tried again',
    })
  }
  const sent = async () => publisher.publish(notices, signal)
  try {
    await Promise.race([sent(), late()])
  } finally {
    over.abort()
  }
}
