/** Puts right what somebody else did to the table, without fighting whoever does it again and again. */

/**
 * The table was gone, or it was there; or the kernel refused all of it, or a part that is tried again without this. That
 * it was gone is told whatever of it is back.
 */
export type Outcome = 'gone' | 'there' | 'refused' | 'partly'

export type HealOn = {
  /** Mends the table and fills it anew. */
  heal(): Promise<Outcome>
  healed(why: string): void
  monotonic(): number
}

/** Without blocks for at most as long as this, however often somebody takes them out. */
const pause = { least: 1_000, most: 5_000 }
/** A quiet time after which the next disturbance is answered at once again. */
const calmMs = 5 * 60_000
/** The watch may miss something (a lost notification); this is how long it may stay. */
const everyMs = 10 * 60_000

export class Healer {
  readonly #on: HealOn
  #pause = pause.least
  #last = Number.NEGATIVE_INFINITY
  #why: string | undefined
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined
  readonly #routine: NodeJS.Timeout
  #stopped = false

  constructor(on: HealOn) {
    this.#on = on
    this.#routine = setInterval(() => void this.#look('found by the routine look'), everyMs).unref()
  }

  /** At once after a calm time; each further time waits twice as long. */
  disturbed(why: string): void {
    if (this.#stopped) return
    this.#why ??= why
    if (this.#timer || this.#running) return
    const since = this.#on.monotonic() - this.#last
    if (since > calmMs) this.#pause = pause.least
    const wait = Math.max(0, this.#pause - since)
    if (wait === 0) this.#start()
    else this.#timer = setTimeout(() => this.#start(), wait).unref()
  }

  /** The service was away: whatever went wrong meanwhile is put right, unless that was done a short while ago. */
  afterOutage(): void {
    const now = this.#on.monotonic()
    if (this.#stopped || now - this.#last <= calmMs) return
    this.#last = now
    void this.#look('found after an outage of the service')
  }

  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    clearInterval(this.#routine)
    await this.#running
  }

  /** Nobody told of anything: only what had to be mended is worth a word. */
  async #look(how: string): Promise<void> {
    if ((await this.#on.heal()) === 'gone') this.#on.healed(`the table was gone, ${how}`)
  }

  #start(): void {
    this.#timer = undefined
    this.#running = this.#run().finally(() => {
      this.#running = undefined
      if (this.#why !== undefined) this.disturbed(this.#why)
    })
  }

  async #run(): Promise<void> {
    const why = this.#why ?? ''
    this.#why = undefined
    const outcome = await this.#on.heal()
    this.#last = this.#on.monotonic()
    this.#pause = Math.min(pause.most, this.#pause * 2)
    if (outcome === 'refused') this.#why ??= why
    else if (outcome !== 'partly') this.#on.healed(why)
  }
}
