/** The thread of parse-file.ts: reads one list, hands its arrays over without a copy, and ends. */
import { readFileSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import { toProblem } from '#contract/problem.ts'
import type { ParseJob, ParseResult } from './parse-file.ts'
import { type ListRead, readList } from './read-list.ts'

const job: ParseJob = workerData
const result = run()
parentPort?.postMessage(result, 'read' in result ? buffersOf(result.read) : [])

function run(): ParseResult {
  try {
    return { read: readList(readFileSync(job.path, 'utf8'), job.options) }
  } catch (error) {
    const { code, message, remedy } = toProblem(error)
    return { problem: { code, message, ...(remedy !== undefined && { remedy }) } }
  }
}

function buffersOf({ ranges: { four, six } }: ListRead): ArrayBuffer[] {
  return [four.starts.buffer, four.ends.buffer, six.starts.buffer, six.ends.buffer]
}
