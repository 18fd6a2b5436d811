/** `cordon retention show|run`: how long things are kept, and the order to let go of what is due. */
import { z } from 'zod'
import { answer } from './answer.ts'
import { openClient } from './client.ts'
import type { Handler } from './command.ts'
import { printFields } from './paint.ts'
import { openProgress } from './progress.ts'

const Rows = z.record(z.string(), z.int())
const Shown = z.looseObject({
  kept: z.record(z.string(), z.string()),
  due: Rows,
  bytes: z.int(),
  free_bytes: z.int(),
})
type Shown = z.infer<typeof Shown>
const Ran = z.looseObject({ gone: Rows, more: z.boolean() })

export const showRetention: Handler = async (asked, io) => {
  const shown = await openClient(io.environment).get('/v1/retention', Shown)
  answer(asked, io, shown, () => `${printKept(shown)}\n${printSpace(shown)}`)
  return 0
}

export const runRetention: Handler = async (asked, io) => {
  const client = openClient(io.environment)
  const { due } = await client.get('/v1/retention', Shown)
  if (asked.flag('dry-run')) {
    answer(asked, io, { due }, () => `would go: ${printRows(due)}\n`)
    return 0
  }
  const progress = openProgress(io, 'gone', sum(due))
  const gone: Record<string, number> = {}
  for (let more = true; more; ) {
    const part = await client.post('/v1/retention/run', {}, Ran)
    for (const [name, rows] of Object.entries(part.gone)) gone[name] = (gone[name] ?? 0) + rows
    progress.at(sum(gone))
    more = part.more
  }
  progress.end()
  answer(asked, io, { gone }, () => `gone: ${printRows(gone)}\n`)
  return 0
}

function printKept({ kept, due }: Shown): string {
  return printFields(
    Object.entries(due).map(([name, rows]) => [
      name,
      `kept ${keptAs(kept[name])}${rows > 0 ? `, ${rows} due` : ''}`,
    ]),
  )
}

/** Receipts have no setting of their own. */
function keptAs(length: string | undefined): string {
  if (length === undefined) return 'with the decision'
  return /^\d/.test(length) ? `for ${length}` : length
}

function printSpace({ bytes, free_bytes }: Shown): string {
  const free = `${megabytes(free_bytes)} of it is free and used again before it grows`
  return `the database has ${megabytes(bytes)}; ${free}\n`
}

function megabytes(bytes: number): string {
  return `${(bytes / 1_024 / 1_024).toFixed(1)} MB`
}

function printRows(rows: Readonly<Record<string, number>>): string {
  const some = Object.entries(rows).filter(([, n]) => n > 0)
  return some.length === 0 ? 'nothing' : some.map(([name, n]) => `${n} ${name}`).join(', ')
}

function sum(rows: Readonly<Record<string, number>>): number {
  return Object.values(rows).reduce((total, n) => total + n, 0)
}
