/** Lets the garbage of a start or of a large load go. A process that is idle afterwards would keep it for ever. */
import { collectGarbage } from '#contract/garbage.ts'

/** From this many blocks on the garbage is worth the pause: about 100 ms with 100,000 in force, once for each load. */
const largeLoad = 10_000

const quietMs = 2_000
const mostTries = 30
const triesOfStart = 3

export type TidyOn = {
  /** Nothing waits for the kernel or for the service. */
  idle(): boolean
  collect(): Promise<void>
}

export class Tidy {
  readonly #on: TidyOn
  #timer: NodeJS.Timeout | undefined
  #tries = 0
  #stopped = false

  constructor(on: TidyOn) {
    this.#on = on
  }

  /**
   * What was read and compiled for the start is garbage, and what `blocks` that were remembered left behind. A node with few
   * of them and much to do from then on lets go of it by itself.
   */
  begun(blocks: number): void {
    this.#wait(blocks >= largeLoad ? mostTries : triesOfStart)
  }

  /** `blocks` came at once: when it is quiet again, what they left behind is collected. */
  after(blocks: number): void {
    if (blocks >= largeLoad) this.#wait(mostTries)
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  /** From now on, and not less often than was meant before. */
  #wait(tries: number): void {
    if (this.#stopped) return
    this.#tries = Math.max(this.#tries, tries)
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#look(), quietMs).unref()
  }

  #look(): void {
    const idle = this.#on.idle()
    this.#tries = idle ? 0 : this.#tries - 1
    if (idle) void this.#on.collect()
    else if (this.#tries > 0) this.#wait(this.#tries)
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
