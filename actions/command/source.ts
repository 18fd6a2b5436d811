/** `cordon source …`: where facts about addresses come from. */
import { z } from 'zod'
import { printDuration } from '#contract/duration.ts'
import { printable } from '#contract/printable.ts'
import { answer } from './answer.ts'
import { openClient } from './client.ts'
import type { Handler, Io } from './command.ts'
import { paint, printColumns } from './paint.ts'

const Sources = z.looseObject({
  sources: z.array(
    z.looseObject({
      name: z.string(),
      kind: z.string(),
      state: z.string(),
      age_ms: z.number().optional(),
      problem: z.looseObject({ detail: z.string(), remedy: z.string().optional() }).optional(),
      details: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
    }),
  ),
})

export const listSources: Handler = async (asked, io) => {
  const { sources } = await openClient(io.environment).get('/v1/sources', Sources)
  const rows = sources.map(({ name, kind, state, age_ms, details }) => [
    name,
    kind,
    state,
    age_ms === undefined ? '-' : printDuration(age_ms),
    String(details.entries ?? '-'),
  ])
  const headings = ['SOURCE', 'KIND', 'STATE', 'AGE', 'ENTRIES']
  answer(asked, io, sources, () =>
    rows.length === 0
      ? 'no sources of facts\n'
      : printColumns(io, headings, rows) + troubles(io, sources),
  )
  return 0
}

/** Below the table, where there is room for what to do about it. */
function troubles(io: Io, sources: z.output<typeof Sources>['sources']): string {
  const told = sources.map(({ name, problem }) => {
    if (problem === undefined) return ''
    const hint = problem.remedy === undefined ? '' : `  hint: ${printable(problem.remedy, 500)}\n`
    const where = paint(io, 'out', 'red', printable(`${name}:`))
    return `\n${where} ${printable(problem.detail, 500)}\n${hint}`
  })
  return told.join('')
}
