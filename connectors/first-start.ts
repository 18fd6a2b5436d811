/** Where a source that is asked by time begins at its very first start. */
import { z } from 'zod'
import { readTime } from '#contract/time.ts'

export const From = z
  .union([z.enum(['now', 'start']), z.string().refine((text) => readTime(text) !== undefined)], {
    error: 'expected now, start or a time such as 2026-03-01T00:00:00Z',
  })
  .default('now')
  .meta({
    description: 'where the very first start begins: now, start (all that is there), or a time',
  })

/** Epoch milliseconds. */
export function firstStart(from: z.output<typeof From>, now: number): number {
  if (from === 'start') return 0
  return readTime(from) ?? now
}
