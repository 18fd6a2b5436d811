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

/** What begins a trial anew finds it a little later in the kernel than it was meant. */
const onTheWayMs = 1_000

/** How long a version on trial judges: its time begins once, when it first does, and is only ever cut. */
export class TrialClock {
  readonly #monotonic: TrialOn['monotonic']
  #of: HeldPosture | undefined
  /** By the kernel it is over no sooner: what was reached before was reached under it. */
  #until = 0

  constructor({ monotonic }: Pick<TrialOn, 'monotonic'>) {
    this.#monotonic = monotonic
  }

  get until(): number {
    return this.#until
  }

  /** Whole seconds that the kernel is told now. At 0 it is over. */
  take(trial: HeldPosture): number {
    const seconds = this.#of === trial ? this.#left() : trial.confirm
    this.#of = trial
    this.#until = this.#monotonic() + seconds * 1_000
    return seconds
  }

  /** What comes through from now on proves nothing. */
  end(): void {
    this.#until = Math.min(this.#until, this.#monotonic())
  }

  isOver(trial: HeldPosture): boolean {
    return this.#of === trial && this.#left() === 0
  }

  #left(): number {
    return Math.max(0, Math.floor((this.#until - this.#monotonic() - onTheWayMs) / 1_000))
  }
}

/** What is in the table is written as a whole then. */
export function changedMeanwhile(): Problem {
  return new Problem('kernel_refused', 'somebody changed the standing rules in the kernel', {
    remedy:
      'the agent makes them anew by itself; look for what else changes the rules of this node',
  })
}

/** Throws. */
export function nothingOnTrial(): never {
  throw new Problem('internal', 'no standing rules are on trial in the kernel')
}

/** What changes while a version is on trial. */
export type TrialState = {
  /** False when another version is wanted, or the node left the audience. */
  isNewest(): boolean
  stopped(): boolean
  /** When the kernel may go back, by the monotonic clock. */
  until(): number
  /** Another number after each writing, undefined during one: what judged before may judge meanwhile. */
  judging(): number | undefined
  /** Ends the pauses. */
  nudge(): AbortSignal
  receipt(): PostureReceipt | undefined
}

export type Outcome = 'reached' | 'silent' | 'newer' | 'stopped'

const reachAgainMs = 1_000

export async function prove(on: TrialOn, trial: TrialState): Promise<Outcome> {
  const { monotonic, pause } = on
  const { isNewest, stopped, nudge, until, judging, receipt } = trial
  for (let left = until() - monotonic(); left > 0 && isNewest(); left = until() - monotonic()) {
    const late = pause(left, nudge()).then(() => false)
    const under = judging()
    const answered = await Promise.race([reach(on, receipt()), late])
    if (stopped()) return 'stopped'
    const meant = under !== undefined && under === judging() && monotonic() < until()
    if (answered && meant) return isNewest() ? 'reached' : 'newer'
    const rest = Math.max(0, until() - monotonic())
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
