/** What the service says while it simulates: lines of JSON, read to the last, with a bar until then. */
import { z } from 'zod'
import { Problem } from '#contract/problem.ts'
import { Progress } from '../simulate/report.ts'
import { type Client, problemOf } from './client.ts'
import type { Io } from './command.ts'
import { openProgress } from './progress.ts'

const Line = z.union([
  z.strictObject({ progress: Progress }),
  z.strictObject({ problem: z.unknown() }),
  z.strictObject({ report: z.unknown() }),
])

/** Throws the Problem that ended it, and `untrusted_service` for what is no report. */
export async function hear<Report>(
  client: Client,
  io: Io,
  path: string,
  body: object,
  schema: z.ZodType<Report>,
): Promise<Report> {
  const { text } = await client.open(path, body)
  let progress: ReturnType<typeof openProgress> | undefined
  try {
    for await (const line of linesOf(text)) {
      if ('progress' in line) {
        progress ??= openProgress(io, 'replayed', line.progress.total)
        progress.at(line.progress.done)
      } else if ('problem' in line) throw problemOf(500, line.problem)
      else return read(schema, line.report)
    }
  } finally {
    progress?.end()
  }
  throw new Problem('service_unreachable', 'the service broke off in the middle', {
    remedy: 'look at its log, and start again',
  })
}

async function* linesOf(text: AsyncIterable<string>): AsyncGenerator<z.infer<typeof Line>> {
  let rest = ''
  for await (const piece of text) {
    const lines = (rest + piece).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) yield read(Line, JSON.parse(line))
  }
}

function read<Value>(schema: z.ZodType<Value>, value: unknown): Value {
  const read = schema.safeParse(value)
  if (read.success) return read.data
  throw new Problem('untrusted_service', 'what came is no simulation', {
    remedy: 'check CORDON_URL, and that service and command line are of one version',
    cause: read.error,
  })
}
