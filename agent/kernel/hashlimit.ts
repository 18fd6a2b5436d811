/** What of rates the match hashlimit of iptables can count. Pure. */
import type { Rate } from '#contract/action.ts'

/** Above it, the time between two packets is too short a number to be near enough. */
const mostASecond = 10_000
/** A burst that takes longer to come back can be more than the kernel's number for it holds, which then is any other. */
const longestBurst = 24 * 3_600_000
const perMs = { second: 1_000, minute: 60_000, hour: 3_600_000 } as const

/** Why it cannot be counted as it is meant. */
export function uncountable(rate: Rate): string | undefined {
  if ((rate.packets * 1_000) / perMs[rate.per] > mostASecond)
    return `iptables cannot count more than ${mostASecond} a second exactly`
  if (timeOf(rate) > longestBurst)
    return `iptables cannot count a burst of ${rate.burst}, which at ${rate.packets} per ${rate.per} takes more than a day to come back`
  return undefined
}

/** Milliseconds until a bucket that was emptied is full again: one that is forgotten sooner would be full at once. */
export function fullAgain(rate: Rate): number {
  return Math.min(2 ** 31 - 1, Math.max(perMs[rate.per], Math.ceil(timeOf(rate))))
}

function timeOf({ packets, per, burst }: Rate): number {
  return (burst * perMs[per]) / packets
}
