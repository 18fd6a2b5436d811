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

/** A statement may be signed this much after the time that the node thinks it is. */
export const clockSlackMs = 30_000
/** An HTTP date is cut to seconds and may have waited on the way. */
const coarseMs = 5_000
/** What nobody signed moves the clock no further beyond what it was at the start, until something signed confirms it. */
const farthestMs = 24 * 3_600_000
/** And no further than this beyond what was signed since the start: heads come every 15 s. */
const beyondSignedMs = 60_000
/** Time since boot is told in hundredths of a second; what parts by more than this was sleep. */
const asleepMs = 1_000

export type ClockMore = {
  /** Time since boot, with the time that the machine slept, in which the monotonic source stands still. */
  uptime?: () => number
  /** The newest time of what the service signed before the start. */
  signed?: number
}

/**
 * Counts on from a monotonic source, so that a step of the wall clock changes nothing. It follows what the service
 * says, within what the service has signed: never behind the newest signature, and far ahead only with one.
 */
export class Clock {
  readonly #monotonic: () => number
  readonly #uptime: () => number
  /** By how much the time since boot is ahead of the monotonic one; it grows only in sleep. */
  #ahead: number
  #slept = 0
  /** Service's time less the time that has passed: as it is taken, and the latest that it may be without a signature. */
  #base: number
  #latest: number
  /** The newest time that was signed. */
  #signed: number
  /** Said, but too far ahead to be taken without a signature. */
  #claimed: number | undefined
  #shift = 0
  #measured = false
  #disputed = false

  constructor(monotonic: () => number, start: number, more: ClockMore = {}) {
    const { uptime = monotonic, signed = 0 } = more
    this.#monotonic = monotonic
    this.#uptime = uptime
    this.#ahead = uptime() - monotonic()
    this.#base = start - monotonic()
    this.#latest = this.#base + farthestMs
    this.#signed = signed
  }

  now(): number {
    return Math.round(this.#passed() + this.#base)
  }

  /** For the node's own tokens only: the service refuses those that its clock does not like, and says its date. */
  tokenTime(): number {
    return this.now() + this.#shift
  }

  /** Whether the service has been asked since the start. */
  get measured(): boolean {
    return this.#measured
  }

  /** What the service said last contradicts what it signed, so the clock stayed as it was. */
  get disputed(): boolean {
    return this.#disputed
  }

  /** A date that nobody signed, in whole seconds: good enough to sign tokens that are taken, and for nothing else. */
  suggest(date: number): void {
    const shift = date - this.now()
    if (date < this.#signed || (this.#measured && Math.abs(shift) > farthestMs)) return
    this.#shift = Math.abs(shift) <= coarseMs ? 0 : shift
  }

  /**
   * The service signed something at this time. True when that confirms what was said before and was too far ahead to
   * be taken: the clock may be measured by it.
   */
  attest(signed: number): boolean {
    const confirms =
      this.#claimed !== undefined &&
      Math.abs(signed - this.#passed() - this.#claimed) <= beyondSignedMs
    if (signed <= this.#signed || (!confirms && signed > this.now() + clockSlackMs)) return false
    this.#signed = signed
    this.#latest = signed - this.#passed() + beyondSignedMs
    return confirms
  }

  /**
   * The service said `time` at some moment in the last `roundTripMs`. Returns by how much the clock moved. Less than
   * the uncertainty of the measurement moves nothing, nor does what contradicts the signatures.
   */
  measure(time: number, roundTripMs: number): number {
    const slept = this.wake()
    const base = Math.max(time + roundTripMs / 2, this.#signed) - this.#passed()
    this.#claimed = base > this.#latest ? base : undefined
    this.#disputed = base > this.#latest || time + roundTripMs < this.#signed
    if (this.#disputed) return slept
    const difference = base - this.#base
    const first = !this.#measured
    this.#measured = true
    this.#shift = 0
    if (!first && Math.abs(difference) <= Math.max(roundTripMs, 20)) return slept
    this.#base += difference
    return slept + difference
  }

  /** To be called now and then. Returns how long the machine slept since, by which the clock moved ahead. */
  wake(): number {
    const ahead = this.#uptime() - this.#monotonic()
    const slept = ahead - this.#ahead
    if (Math.abs(slept) <= asleepMs) return 0
    this.#ahead = ahead
    if (slept < 0) return 0
    this.#slept += slept
    return slept
  }

  #passed(): number {
    return this.#monotonic() + this.#slept
  }
}
