/** A source that waits between two looks, looked at one look at a time and by a clock of the test. */
import type { Page, Source } from '#contract/connector.ts'
import type { Clock } from '../../connectors/clock.ts'

export type InSteps = {
  clock: { now: number }
  /** What one look brings, in its pages. */
  look(): Promise<Page[]>
  stop(): Promise<void>
}

/** Each pause of the source ends one look; the next begins when it is asked for. */
export function inSteps(open: (clock: Clock) => Source, now: number, cursor?: string): InSteps {
  const clock = { now }
  const stopped = new AbortController()
  let wake = (): void => {}
  let looked = Promise.withResolvers<void>()
  const source = open({
    now: () => clock.now,
    pause: () => {
      looked.resolve()
      return new Promise((resolve) => {
        wake = resolve
      })
    },
  })
  const pages = source.follow(cursor, stopped.signal)[Symbol.asyncIterator]()
  let waiting: Promise<IteratorResult<Page>> | undefined
  return {
    clock,
    look: async () => {
      const taken: Page[] = []
      looked = Promise.withResolvers()
      wake()
      for (;;) {
        waiting ??= pages.next()
        const next = await Promise.race([waiting, looked.promise])
        if (!next || next.done) return taken
        waiting = undefined
        taken.push(next.value)
      }
    },
    stop: async () => {
      stopped.abort()
      wake()
      // What it failed with was told to who looked.
      await (waiting ?? pages.return?.())?.catch(() => {})
    },
  }
}
