/** One simulation in a thread of its own, as a stream of what it says: how far it is, and at last what it found. */
import { Worker } from 'node:worker_threads'
import { Problem, type ProblemBody, toProblem } from '#contract/problem.ts'
import type { Progress, Report } from './report.ts'
import type { Suggestions } from './suggestion.ts'
import type { Surroundings } from './world.ts'

export type SimulationOrder = {
  /** `suggest` makes its own drafts. */
  what: 'simulate' | 'suggest'
  /** The database. */
  file: string
  /** Epoch milliseconds. */
  since: number
  until: number
  /** Texts of policies. */
  inForce: string
  drafts: readonly string[]
  /** What is protected besides, whatever the policy. */
  protect: readonly { address: string; why: string }[]
  around: Surroundings
  /** Only what this rule decides. */
  rule?: string | undefined
}

/** `report` and `problem` are the last. */
export type Told =
  | { progress: Progress }
  | { report: Report | Suggestions }
  | { problem: ProblemBody }

export type Simulation = {
  /** Ends after `report` or `problem`. */
  messages: AsyncIterable<Told>
  /** Resolves when the thread is gone. */
  ended: Promise<void>
  /** Ends the thread wherever it is. */
  stop(): Promise<void>
}

/** Above this the thread ends, and not the service. */
const mostMemoryMb = 1_536

export function startSimulation(order: SimulationOrder): Simulation {
  const worker = new Worker(new URL('./worker.ts', import.meta.url), {
    workerData: order,
    resourceLimits: { maxOldGenerationSizeMb: mostMemoryMb, maxYoungGenerationSizeMb: 96 },
  })
  const ended = new Promise<void>((resolve) => worker.once('exit', () => resolve()))
  // The service may end while it runs.
  worker.unref()
  const messages = new ReadableStream<Told>({
    start: (controller) => {
      let ended = false
      const tell = (told: Told) => {
        if (ended) return
        controller.enqueue(told)
        ended = !('progress' in told)
        if (ended) controller.close()
      }
      worker.on('message', tell)
      worker.on('error', (error) => tell({ problem: problemOf(error).toJSON() }))
      worker.on('exit', () => tell({ problem: stopped().toJSON() }))
    },
  })
  return {
    messages,
    ended,
    stop: async () => {
      await worker.terminate()
    },
  }
}

function problemOf(error: unknown): Problem {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (code !== 'ERR_WORKER_OUT_OF_MEMORY') return toProblem(error)
  return new Problem('too_large', `the simulation needs more than ${mostMemoryMb} MB`, {
    remedy: 'simulate a shorter time, with --since and --until',
    cause: error,
  })
}

function stopped(): Problem {
  return new Problem('conflict', 'the simulation was ended', { remedy: 'start it again' })
}
