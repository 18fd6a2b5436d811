/** Lets the garbage of a large load go. A process that is idle afterwards would keep it for ever. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** From this many blocks on the garbage is worth the pause: about 100 ms with 100,000 in force, once for each load. */
const largeLoad = 10_000

const quietMs = 2_000
const mostTries = 30

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
export async function collectGarbage(): Promise<void> {
  try {
    setFlagsFromString('--expose-gc')
    const collect: unknown = runInNewContext('gc')
    if (typeof collect === 'function')
      collect({ type: 'major', execution: 'sync', flavor: 'last-resort' })
    const { trim } = await import('./kernel/trim.ts')
    trim()
  } catch {
    // This engine does not offer it, or koffi has no build for this machine.
  }
}
