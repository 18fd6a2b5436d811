/** One try of one message. */
import type { Publisher } from '#contract/connector.ts'
import type { Notice } from '#contract/notice.ts'
import { type Pause, tryFor } from '../flow/try-for.ts'

/** Channels have their own, shorter limits; this is for one that hangs all the same. */
const longestTryMs = 5 * 60_000

export function publish(
  publisher: Publisher,
  notices: readonly Notice[],
  pause: Pause,
  stop: AbortSignal,
): Promise<void> {
  return tryFor(longestTryMs, async (signal) => publisher.publish(notices, signal), pause, stop)
}
