/** `cordon source …`: where facts about addresses come from. */
import { z } from 'zod'
import { printDuration } from '#contract/duration.ts'
import { answer } from './answer.ts'
import { openClient } from './client.ts'
import type { Handler } from './command.ts'
import { printColumns } from './paint.ts'

const Sources = z.looseObject({
  sources: z.array(
    z.looseObject({
      name: z.string(),
      kind: z.string(),
      state: z.string(),
      age_ms: z.number().optional(),
      problem: z.looseObject({ detail: z.string() }).optional(),
      details: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
    }),
  ),
})

export const listSources: Handler = async (asked, io) => {
  const { sources } = await openClient(io.environment).get('/v1/sources', Sources)
  const rows = sources.map(({ name, kind, state, age_ms, problem, details }) => [
    name,
    kind,
    state,
    age_ms === undefined ? '-' : printDuration(age_ms),
    String(details.entries ?? '-'),
    problem?.detail ?? '',
  ])
  const headings = ['SOURCE', 'KIND', 'STATE', 'AGE', 'ENTRIES', 'PROBLEM']
  answer(asked, io, sources, () =>
    rows.length === 0 ? 'no sources of facts\n' : printColumns(io, headings, rows),
  )
  return 0
}
