/** A suggestion as it goes over the wire and as the command line reads it. */
import { z } from 'zod'
import { Report } from './report.ts'

const Suggestion = z.object({
  kind: z.enum(['protect', 'observe', 'enforce', 'rule', 'threshold', 'ignore']),
  subject: z.string(),
  says: z.string(),
  evidence: z.array(z.string()),
  diff: z.string(),
  failing: z
    .array(z.string())
    .meta({ description: 'tests of the policy that fail with it and have to be changed too' }),
  effect: Report,
})
export type Suggestion = z.infer<typeof Suggestion>

export const Suggestions = z.object({ suggestions: z.array(Suggestion) })
export type Suggestions = z.infer<typeof Suggestions>
