/** Frames of a stream, read ahead of whoever takes them into a queue with a bound: then the socket is left alone. */
import { setImmediate as turn } from 'node:timers/promises'
import { createParser, type EventSourceMessage } from 'eventsource-parser'
import { Problem } from '#contract/problem.ts'

export type Frame = EventSourceMessage

export type Frames = {
  /** What was read, oldest first, at least one and at most so many. Rejects when the stream is over and nothing is left. */
  take(most: number): Promise<Frame[]>
  close(): Promise<void>
}

export type FrameOptions = {
  /** So long without a byte while it is read, and the other side is taken for dead. */
  silenceMs: number
  /** Frames and characters above which nothing more is read. */
  mostFrames?: number
  mostCharacters?: number
}

/** One frame of the platform is a whole object; nothing there comes near this. */
const longestFrame = 33_554_432

export function openFrames(body: ReadableStream<Uint8Array>, options: FrameOptions): Frames {
  const { silenceMs, mostFrames = 1_000, mostCharacters = 8_388_608 } = options
  const reader = body.getReader()
  const queue: Frame[] = []
  let characters = 0
  let failure: Problem | undefined
  let wake = () => {}
  const parser = createParser({
    maxBufferSize: longestFrame,
    onEvent: (frame) => {
      queue.push(frame)
      characters += frame.data.length
    },
    onError: (error) => {
      if (error.type === 'max-buffer-size-exceeded') failure = tooLarge()
    },
  })
  const isFull = () => queue.length >= mostFrames || characters >= mostCharacters
  const change = () => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const before = wake
    wake = () => {
      before()
      resolve()
    }
    return promise
  }
  const tell = () => {
    const waiting = wake
    wake = () => {}
    waiting()
  }

  const pump = async () => {
    const decoder = new TextDecoder()
    while (!failure) {
      if (isFull()) {
        await change()
        continue
      }
      const { done, value } = await inTime(reader.read(), silenceMs)
      if (done) throw ended()
      parser.feed(decoder.decode(value, { stream: true }))
      tell()
    }
  }
  const reading = pump()
    .catch((error: unknown) => {
      failure ??= error instanceof Problem ? error : brokenOff(error)
    })
    .finally(tell)

  return {
    take: async (most) => {
      while (queue.length === 0) {
        if (failure) throw failure
        await change()
      }
      // A flood comes in small pieces; each look that finds more of it makes one page, and one commit, of them.
      for (let before = 0; before < queue.length && queue.length < most; ) {
        before = queue.length
        await turn()
      }
      const taken = queue.splice(0, most)
      for (const { data } of taken) characters -= data.length
      tell()
      return taken
    },
    close: async () => {
      failure ??= ended()
      tell()
      await reader.cancel().catch(() => {})
      await reading
    },
  }
}

/** Rejects after the time; what it waited for is left to its owner. */
async function inTime<T>(work: Promise<T>, ms: number): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(silent(ms)), ms)
  try {
    return await Promise.race([work, promise])
  } finally {
    clearTimeout(timer)
  }
}

function silent(ms: number): Problem {
  return new Problem('service_unreachable', `the live stream was silent for ${ms} ms`, {
    remedy: 'it is connected anew by itself; see what stands between here and the platform',
  })
}

function ended(): Problem {
  return new Problem('service_unreachable', 'the live stream ended', {
    remedy: 'it is connected anew by itself; the platform ends it when the stream is stopped',
  })
}

function brokenOff(cause: unknown): Problem {
  return new Problem('service_unreachable', 'the live stream broke off', {
    remedy: 'it is connected anew by itself; see what stands between here and the platform',
    cause,
  })
}

function tooLarge(): Problem {
  return new Problem('too_large', `one event has more than ${longestFrame} characters`, {
    remedy: 'leave such objects out of the live stream by its filter',
  })
}
