/** Settings of the file that results go to. */
import { z } from 'zod'
import { listOf, Switch } from '#contract/settings.ts'

const Pattern = z
  .string()
  .regex(
    /^(\*|[a-z]+\.(\*|[a-z_]+))$/,
    'write an action such as decision.lift, or decision.*, or *',
  )

/** A line that a crash cut off is looked for so far from the end of the file. */
export const longestLine = 1_048_576

export const Settings = z.strictObject({
  path: z
    .string()
    .startsWith('/', 'expected an absolute path')
    .optional()
    .meta({ description: 'file that results are added to; without it none are written' }),
  actions: listOf(Pattern)
    .prefault(['decision.*', 'receipt.*', 'node.*', 'policy.*', 'key.*', 'token.*'])
    .meta({ description: 'which results, by the names that the journal uses; `*` is any' }),
  rotate_at: z.coerce
    .number()
    .int()
    .min(100_000)
    .default(64 * 1_024 * 1_024)
    .meta({ description: 'bytes beyond which the file is renamed to .1 and a new one is begun' }),
  rotated: z.coerce
    .number()
    .int()
    .min(0)
    .max(100)
    .default(5)
    .meta({ description: 'how many older files are kept' }),
  longest_line: z.coerce.number().int().min(4_096).max(longestLine).default(60_000).meta({
    description:
      'bytes of a line at most; a longer one goes without what was before and after (Wazuh takes 65535)',
  }),
  group_readable: Switch.default(true).meta({
    description: 'a new file may be read by its group (mode 0640), else by nobody else',
  }),
})
export type Settings = z.output<typeof Settings>
