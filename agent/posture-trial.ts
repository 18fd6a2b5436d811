/** Whether a node still reaches the service under a new version of its standing rules, in the time that the version gives. */
import type { PostureReceipt } from '#contract/posture.ts'
import { Problem, type ProblemCode, toProblem } from '#contract/problem.ts'
import type { HeldPosture } from './posture-memory.ts'

export type TrialOn = {
  /** Tells the service over a connection of its own. Throws when it did not answer. */
  reach(receipt: PostureReceipt): Promise<unknown>
  /** Milliseconds that only go forward. */
  monotonic(): number
  /** Resolves after the time or when it is stopped. */
  pause(ms: number, stop: AbortSignal): Promise<void>
}

/** What changes while a version is on trial. */
export type TrialState = {
  /** False when another version is wanted, or the node left the audience. */
  isNewest(): boolean
  stopped(): boolean
  /** Ends the pauses. */
  nudge(): AbortSignal
  receipt(): PostureReceipt | undefined
}

export type Outcome = 'reached' | 'silent' | 'newer' | 'stopped'

const reachAgainMs = 1_000

export async function prove(
  { confirm }: HeldPosture,
  on: TrialOn,
  { isNewest, stopped, nudge, receipt }: TrialState,
): Promise<Outcome> {
  const { monotonic, pause } = on
  const until = monotonic() + confirm * 1_000
  for (let left = confirm * 1_000; left > 0 && isNewest(); left = until - monotonic()) {
    const late = pause(left, nudge()).then(() => false)
    const reached = await Promise.race([reach(on, receipt()), late])
    if (stopped()) return 'stopped'
    if (reached) return isNewest() ? 'reached' : 'newer'
    const rest = Math.max(0, until - monotonic())
    await pause(Math.min(reachAgainMs, rest), nudge())
    if (stopped()) return 'stopped'
  }
  return isNewest() ? 'silent' : 'newer'
}

/** For who reads why a node went back. */
export function cutShort(why: string): Problem {
  return new Problem('service_unreachable', `${why}: back to what was in force before`, {
    remedy: 'find what the version cuts, correct it and apply it again',
  })
}

const unreached: ReadonlySet<ProblemCode> = new Set([
  'service_unreachable',
  'untrusted_service',
  'internal',
])

/** Whatever the service itself answers, it was reached. */
async function reach(on: TrialOn, receipt: PostureReceipt | undefined): Promise<boolean> {
  try {
    if (receipt) await on.reach(receipt)
    return receipt !== undefined
  } catch (error) {
    return !unreached.has(toProblem(error).code)
  }
}
