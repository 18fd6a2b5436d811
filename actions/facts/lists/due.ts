/** When a list is asked for again: by its interval, later by chance so that lists do not come all at once. */
import { isSpamhaus, type ListSettings } from './settings.ts'

const firstRetryMs = 60_000
/** A file costs one look at its entry in the folder. */
const fileLookMs = 5_000

/** Ms after an answer. */
export function untilNext({ url, interval }: ListSettings, random: () => number): number {
  return url === undefined ? fileLookMs : Math.round(interval * (1 + random() / 10))
}

/** Ms after the nth failure on end: doubled each time up to the interval, or what the server asked for. */
export function untilRetry(
  { url, interval }: ListSettings,
  failures: number,
  random: () => number,
  askedMs = 0,
): number {
  if (url === undefined) return fileLookMs
  const doubled = Math.min(interval, firstRetryMs * 2 ** (failures - 1))
  const pause = isSpamhaus(url) ? interval : doubled * (0.5 + random())
  return Math.round(Math.max(pause, askedMs))
}
