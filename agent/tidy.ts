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
  #stopped = false

  constructor(on: TidyOn) {
    this.#on = on
  }

  /** What was read and compiled for the start is garbage. A node with much to do from then on lets go of it by itself. */
  begun(): void {
    this.#wait(triesOfStart)
  }

  /** `blocks` came at once: when it is quiet again, what they left behind is collected. */
  after(blocks: number): void {
    if (blocks >= largeLoad) this.#wait(mostTries)
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  #wait(tries: number): void {
    if (this.#stopped) return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      if (this.#on.idle()) void this.#on.collect()
      else if (tries > 1) this.#wait(tries - 1)
    }, quietMs).unref()
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
