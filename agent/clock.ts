/** The service's clock as the node knows it: times in actions are judged by it, not by the node's own. */

/** What is stored with the memory, so that a node that boots knows how much time has passed. Milliseconds. */
export type ClockMark = {
  /** The service's clock when this was written. */
  at: number
  /** The node's wall clock and time since boot at that moment, and which boot it was. */
  wall: number
  uptime: number
  boot: string
}

/** The node's own clocks, now. */
export type LocalClock = Omit<ClockMark, 'at'>

/**
 * The service's time at start, before anybody was asked. In the same boot the time since boot tells it, whatever
 * became of the wall clock. After a reboot the wall clock does, unless it stands before the mark: then it cannot be
 * trusted, and blocks go on with the remaining time that was stored.
 */
export function timeAtStart(mark: ClockMark | undefined, local: LocalClock): number {
  if (!mark) return local.wall
  if (mark.boot === local.boot && local.uptime >= mark.uptime)
    return mark.at + local.uptime - mark.uptime
  return Math.max(mark.at, local.wall + mark.at - mark.wall)
}

/** An HTTP date is cut to seconds and may have waited on the way. */
const coarseMs = 5_000

/** Counts on from a monotonic source, so that a step of the wall clock changes nothing. */
export class Clock {
  readonly #monotonic: () => number
  #base: number
  #suggested = 0
  #measured = false

  constructor(monotonic: () => number, start: number) {
    this.#monotonic = monotonic
    this.#base = start - monotonic()
  }

  now(): number {
    return Math.round(this.#monotonic() + this.#base)
  }

  /** Whether the service has been asked since the start. */
  get measured(): boolean {
    return this.#measured
  }

  /** Before the first measurement, a time in whole seconds: good enough to sign tokens that are not yet too old. */
  suggest(time: number): void {
    const difference = time - this.now()
    if (this.#measured || Math.abs(difference) <= coarseMs) return
    this.#base += difference
    this.#suggested += difference
  }

  /**
   * The service said `time` at some moment in the last `roundTripMs`. Returns by how much the clock moved, the first
   * time with what was only suggested before. Less than the uncertainty of the measurement moves nothing.
   */
  measure(time: number, roundTripMs: number): number {
    const difference = time + roundTripMs / 2 - this.#monotonic() - this.#base
    const first = !this.#measured
    this.#measured = true
    if (!first && Math.abs(difference) <= Math.max(roundTripMs, 20)) return 0
    this.#base += difference
    return first ? difference + this.#suggested : difference
  }
}
