/** When the next message of a channel may go, and which of the waiting notices it takes. */
import type { ChannelSettings } from '#contract/channel.ts'
import { type Backlog, type Batch, takeAll, takeOne, waitingIn } from './backlog.ts'
import type { Allowance } from './pace.ts'

export type Schedule = {
  backlog: Backlog
  allowance: Allowance
  /** Notices wait because of the allowance; the next message takes them all. */
  heldBack: boolean
}

/** The next message after the line `after`, if one may go now. What is taken leaves the backlog. */
export function choose(
  schedule: Schedule,
  settings: ChannelSettings,
  after: number,
  now: number,
): Batch | undefined {
  const { backlog } = schedule
  if (waitingIn(backlog) === 0 || digestDue(backlog, settings, now) > now) return undefined
  if (!schedule.allowance.take(now)) {
    schedule.heldBack = true
    return undefined
  }
  const alone = settings.digest === 0 && !schedule.heldBack && backlog.more.size === 0
  const { batch, rest } = (alone ? takeOne : takeAll)(backlog, after)
  schedule.backlog = rest
  schedule.heldBack = false
  return batch
}

/** Milliseconds until something may be chosen; undefined while nothing waits. */
export function dueIn(
  { backlog, allowance }: Schedule,
  settings: ChannelSettings,
  now: number,
): number | undefined {
  if (waitingIn(backlog) === 0) return undefined
  return Math.max(digestDue(backlog, settings, now), allowance.next(now)) - now
}

/** A line of the future was written before the clock was set back, and waits for nothing. */
function digestDue(
  { told }: Backlog,
  { digest, digest_size }: ChannelSettings,
  now: number,
): number {
  const oldest = told[0]?.at ?? now
  return told.length >= digest_size || oldest > now ? now : oldest + digest
}
