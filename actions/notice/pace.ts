/** How often a channel is used, and how long it is left alone after a failure. Pure but for what is asked of it. */

/** So much of an hour's messages may go at once. */
const burstPart = 6
const hourMs = 3_600_000

export type Allowance = {
  /** Whether one more message may go now; if so it is counted. */
  take(now: number): boolean
  /** When the next one may go. */
  next(now: number): number
}

/** A bucket that is full at the start and fills evenly. */
export function openAllowance(perHour: number, from: number): Allowance {
  const burst = Math.ceil(perHour / burstPart)
  let held = burst
  let at = from
  const fill = (now: number) => {
    // A clock that was set back gives nothing, and takes nothing.
    held = Math.min(burst, held + (Math.max(0, now - at) * perHour) / hourMs)
    at = now
  }
  return {
    take: (now) => {
      fill(now)
      if (held < 1) return false
      held -= 1
      return true
    },
    next: (now) => {
      fill(now)
      return held >= 1 ? now : now + Math.ceil(((1 - held) * hourMs) / perHour)
    },
  }
}

const firstPauseMs = 5_000
const longestPauseMs = 4 * hourMs

/** What anybody may ask for, and more than a grown pause comes to by chance. */
export const longestBackOffMs = 24 * hourMs

/** After so many tries; `chance` is from 0 to 1, so that many services that lost one receiver do not come back as one. */
export function backOff(tries: number, chance: number, askedMs = 0): number {
  const grown = Math.min(firstPauseMs * 3 ** (tries - 1), longestPauseMs)
  return Math.min(Math.max(askedMs, Math.round(grown * (0.5 + chance))), longestBackOffMs)
}
