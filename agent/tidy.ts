/** Lets the garbage of a start or of a large load go. A process that is idle afterwards would keep it for ever. */
import { collectGarbage } from '#contract/garbage.ts'

/** From this many blocks on the garbage is worth the pause: about 100 ms with 100,000 in force, twice for each load. */
const largeLoad = 10_000

const quietMs = 2_000
/** By then what was held for a while is let go of too, such as what the dead man's switch suspects. */
const laterMs = 20_000

/** How often it is collected, the second time a while later, and how many moments may not be quiet. */
type Wanted = { times: number; tries: number }
const ofStart: Wanted = { times: 1, tries: 3 }
/** The engine's table of names, megabytes after a load, is given back by the second collection only. */
const ofLoad: Wanted = { times: 2, tries: 30 }
const nothing: Wanted = { times: 0, tries: 0 }

export type TidyOn = {
  /** Nothing waits for the kernel or for the service. */
  idle(): boolean
  collect(): Promise<void>
}

export class Tidy {
  readonly #on: TidyOn
  #timer: NodeJS.Timeout | undefined
  #left = nothing
  #stopped = false

  constructor(on: TidyOn) {
    this.#on = on
  }

  /**
   * What was read and compiled for the start is garbage, and what `blocks` that were remembered left behind. A node with few
   * of them and much to do from then on lets go of it by itself.
   */
  begun(blocks: number): void {
    this.#want(blocks >= largeLoad ? ofLoad : ofStart)
  }

  /** `blocks` came at once: when it is quiet again, what they left behind is collected. */
  after(blocks: number): void {
    if (blocks >= largeLoad) this.#want(ofLoad)
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  /** From now on, and not less than was meant before. */
  #want({ times, tries }: Wanted): void {
    if (this.#stopped) return
    this.#left = {
      times: Math.max(this.#left.times, times),
      tries: Math.max(this.#left.tries, tries),
    }
    this.#wait(quietMs)
  }

  #wait(ms: number): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#look(), ms).unref()
  }

  #look(): void {
    const { times, tries } = this.#left
    const idle = this.#on.idle()
    this.#left = idle ? { times: times - 1, tries } : { times, tries: tries - 1 }
    if (idle) void this.#on.collect()
    if (this.#left.times > 0 && this.#left.tries > 0) this.#wait(idle ? laterMs : quietMs)
    else this.#left = nothing
  }
}

/** Never throws: without it the process is only larger. */
export async function giveBack(): Promise<void> {
  collectGarbage()
  try {
    const { trim } = await import('./kernel/trim.ts')
    trim()
  } catch {
    // koffi has no build for this machine.
  }
}
