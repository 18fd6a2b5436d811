/** How often a provider may still be asked: by what is known of its quota, and by what it says itself. */
import type { Lookup, Quota } from '#contract/connector.ts'
import type { Clocks } from './clocks.ts'

const refusedMs = { first: 60_000, longest: 3_600_000 }

/** What a header says is believed for so long: it may be a mistake, and to look once a day costs nothing. */
const longestPauseMs = 24 * 3_600_000

export type Allowance = {
  /** Asked before this start, in epoch milliseconds. */
  recall(asked: readonly number[]): void
  /** How long nobody may be asked, in milliseconds; 0 when one may be. */
  pauseMs(): number
  spend(): void
  /** What the headers of an answer said. */
  told(quota: Quota | undefined): void
  /** The provider said that it is enough; without a time the pause grows. */
  refused(quota: Quota | undefined): void
  /** `left`: questions by the narrowest of the limits; none where there is no limit. */
  details(): { left?: number }
}

export function openAllowance(
  limits: Lookup['limits'],
  { now, monotonic, random }: Clocks,
): Allowance {
  const most = Math.max(1, ...limits.map(({ requests }) => requests))
  /** Ascending, not more than the largest limit needs. */
  let spent: number[] = []
  let pausedUntil = Number.NEGATIVE_INFINITY
  let refusals = 0

  const pause = (ms: number) => {
    pausedUntil = monotonic() + Math.min(longestPauseMs, Math.max(1_000, ms))
  }
  /** A clock that was wrong for a while must not leave questions behind that never become old. */
  const setRight = () => {
    const at = now()
    if ((spent.at(-1) ?? at) > at) spent = spent.map((time) => Math.min(time, at))
  }
  const limitMs = ({ requests, perMs }: Lookup['limits'][number]) => {
    const oldest = spent.at(-requests)
    return oldest === undefined ? 0 : oldest + perMs - now()
  }
  return {
    recall: (asked) => {
      spent = [...asked, ...spent].sort((a, b) => a - b).slice(-most)
    },
    pauseMs: () => {
      setRight()
      return Math.max(0, pausedUntil - monotonic(), ...limits.map(limitMs))
    },
    spend: () => {
      spent.push(now())
      if (spent.length > 2 * most) spent = spent.slice(-most)
    },
    told: (quota) => {
      refusals = 0
      if (quota && quota.left <= 0) pause(quota.until - now())
    },
    refused: (quota) => {
      const longest = Math.min(refusedMs.longest, refusedMs.first * 2 ** refusals++)
      const told = quota ? quota.until - now() : 0
      pause(told > 0 ? told : longest * (0.5 + random() / 2))
    },
    details: () => {
      if (pausedUntil > monotonic()) return { left: 0 }
      if (limits.length === 0) return {}
      const free = limits.map(({ requests, perMs }) => {
        const since = now() - perMs
        return requests - spent.filter((at) => at > since).length
      })
      return { left: Math.max(0, Math.min(...free)) }
    },
  }
}
