/** Time that passes when a test tells it to, while everybody does what is due meanwhile. */
import { setImmediate as turn } from 'node:timers/promises'

export type HeldTime = {
  /** Resolves after the time or when stopped. */
  pause(ms: number, stop: AbortSignal): Promise<void>
  pass(ms: number): Promise<void>
}

/** Moves the clock; timers do not hear of a clock that is set. */
export function holdTime(clock: { now: number }): HeldTime {
  let elapsed = 0
  const sleepers = new Set<{ due: number; wake: () => void }>()

  const pause = (ms: number, stop: AbortSignal) =>
    new Promise<void>((done) => {
      const sleeper = {
        due: elapsed + Math.max(0, ms),
        wake: () => {
          sleepers.delete(sleeper)
          stop.removeEventListener('abort', sleeper.wake)
          done()
        },
      }
      if (stop.aborted) return done()
      sleepers.add(sleeper)
      stop.addEventListener('abort', sleeper.wake)
    })

  const run = (to: number) => {
    clock.now += Math.max(0, to - elapsed)
    elapsed = Math.max(to, elapsed)
  }

  return {
    pause,
    pass: async (ms) => {
      const end = elapsed + ms
      await quiet()
      for (;;) {
        const next = [...sleepers].sort((a, b) => a.due - b.due)[0]
        if (!next || next.due > end) break
        run(next.due)
        const asleep = sleepers.size
        next.wake()
        await quiet(() => sleepers.size >= asleep)
      }
      run(end)
    },
  }
}

/** Nothing here waits for anything but its turn; who sleeps again has done what was due, but for what it began. */
async function quiet(asleep = () => false): Promise<void> {
  for (let left = 40; left > 0; left--) {
    await turn()
    if (asleep()) left = Math.min(left, 10)
  }
}
