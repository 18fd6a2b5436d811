/** Reads the file of a list into its index; a large one beside the event loop, whose heap also goes when it is done. */
import { readFile, stat } from 'node:fs/promises'
import { Worker } from 'node:worker_threads'
import { z } from 'zod'
import { Problem, type ProblemCode, problemStatus } from '#contract/problem.ts'
import { type ListRead, type ReadOptions, readList } from './read-list.ts'

/** A thousand lines: ten milliseconds while the code is cold, one later. */
const smallBytes = 16_384
/** A JSON array of the largest text that is taken fits. */
const heapMb = 1_500

export type ParseJob = { path: string; options: ReadOptions }
export type ParseResult = { read: ListRead } | { problem: ParseProblem }
export type ParseProblem = { code: ProblemCode; message: string; remedy?: string }

/** Throws `invalid_input` or `too_large` for what is refused, `internal` where the thread ended, and what reading throws. */
export async function parseFile(job: ParseJob, signal: AbortSignal): Promise<ListRead> {
  if ((await stat(job.path)).size <= smallBytes)
    return readList(await readFile(job.path, 'utf8'), job.options)
  const result = await inThread(job, signal)
  if ('read' in result) return result.read
  const { code, message, remedy } = result.problem
  throw new Problem(code, message, remedy === undefined ? {} : { remedy })
}

async function inThread(job: ParseJob, signal: AbortSignal): Promise<ParseResult> {
  signal.throwIfAborted()
  const worker = new Worker(new URL('./parse-thread.ts', import.meta.url), {
    workerData: job,
    resourceLimits: { maxOldGenerationSizeMb: heapMb },
  })
  const stop = () => void worker.terminate()
  signal.addEventListener('abort', stop)
  try {
    return await new Promise<ParseResult>((resolve, reject) => {
      worker.once('message', (message: unknown) => {
        if (isResult(message)) resolve(message)
        else reject(new TypeError('the thread said something else'))
      })
      worker.once('error', (error) => reject(failed(error)))
      worker.once('exit', () => reject(failed(signal.reason)))
    })
  } finally {
    signal.removeEventListener('abort', stop)
    await worker.terminate()
  }
}

const codes = Object.keys(problemStatus)
const Answer = z.union([
  z.object({ read: z.custom<ListRead>((value) => typeof value === 'object' && value !== null) }),
  z.object({
    problem: z.object({
      code: z.custom<ProblemCode>((value) => codes.some((code) => code === value)),
      message: z.string(),
      remedy: z.string().optional(),
    }),
  }),
])

function isResult(message: unknown): message is ParseResult {
  return Answer.safeParse(message).success
}

function failed(cause: unknown): Problem {
  return new Problem('internal', 'the thread that read the list ended', {
    remedy: 'lower max_bytes of this list if the machine has little memory',
    cause,
  })
}
