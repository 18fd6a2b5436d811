/** Leaves a provider alone that fails again and again, and tries it with one question after a growing pause. */
import type { Clocks } from './clocks.ts'

const failuresToOpen = 5
/** Said while a question is on the way that tries whether it answers again. */
const probeMs = 1_000

const pauseMs = { first: 10_000, longest: 600_000 }

export type Breaker = {
  /** How long nobody is asked, in milliseconds; 0 when one may be. */
  pauseMs(): number
  /** Call it once for each question; say how that went once. */
  begin(): Ticket
  state(): 'closed' | 'open' | 'half-open'
}

export type Ticket = {
  /** True when nobody was asked before and they are from now on. */
  succeeded(): boolean
  /** `fatal`: to ask on would be of no use, or do harm. True when nobody is asked from now on. */
  failed(fatal: boolean): boolean
}

export function openBreaker({ monotonic, random }: Clocks): Breaker {
  let failures = 0
  let pauses = 0
  /** Undefined while it is closed. */
  let openUntil: number | undefined
  let probing = false

  const open = (fatal: boolean) => {
    const longest = fatal
      ? pauseMs.longest
      : Math.min(pauseMs.longest, pauseMs.first * 2 ** pauses++)
    // Half of it by chance, so that many services do not come back to one provider at once.
    openUntil = monotonic() + longest * (0.5 + random() / 2)
    return true
  }
  const close = () => {
    const wasOpen = openUntil !== undefined
    failures = pauses = 0
    openUntil = undefined
    return wasOpen
  }
  return {
    pauseMs: () => {
      if (openUntil === undefined) return 0
      return Math.max(probing ? probeMs : 0, openUntil - monotonic())
    },
    begin: () => {
      const probe = openUntil !== undefined
      if (probe) probing = true
      const ended = () => {
        if (probe) probing = false
      }
      return {
        succeeded: () => {
          ended()
          return close()
        },
        failed: (fatal) => {
          ended()
          // What was asked before it opened says nothing new.
          if (openUntil !== undefined && !probe) return false
          failures++
          return fatal || probe || failures >= failuresToOpen ? open(fatal) : false
        },
      }
    },
    state: () => {
      if (openUntil === undefined) return 'closed'
      return openUntil > monotonic() ? 'open' : 'half-open'
    },
  }
}
