/** Lengths of time as people write them: `90s`, `15m`, `4h`, `7d`, `2w`, or several joined (`1d12h`). */
import { z } from 'zod'
import { Problem, toProblem } from './problem.ts'

const unitMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const
const byUnit = new Map<string, number>(Object.entries(unitMs))
const part = /(\d+(?:\.\d+)?)(ms|s|m|h|d|w)/gy

/** Longer than anything here lasts, and short enough to be added to any time. */
const longestMs = 1_000 * 365 * unitMs.d

/** Milliseconds. Throws `invalid_input` for anything but numbers with units, and above a thousand years. */
export function readDuration(text: string): number {
  let total = 0
  let end = 0
  part.lastIndex = 0
  for (let match = part.exec(text); match; match = part.exec(text)) {
    total += Number(match[1]) * (byUnit.get(match[2] ?? '') ?? 0)
    end = part.lastIndex
  }
  if (text === '' || end !== text.length || total > longestMs)
    throw new Problem('invalid_input', `"${text.slice(0, 60)}" is no length of time`, {
      remedy: 'write a number and a unit, such as 90s, 15m, 4h, 7d',
    })
  return Math.round(total)
}

/** The two largest units that say it: `3d 4h`, `59m 30s`, `250ms`. */
export function printDuration(ms: number): string {
  if (ms < 1_000) return `${Math.max(0, Math.round(ms))}ms`
  const parts: string[] = []
  let rest = Math.round(ms / 1_000) * 1_000
  for (const unit of ['w', 'd', 'h', 'm', 's'] as const) {
    const whole = Math.floor(rest / unitMs[unit])
    if (whole > 0) parts.push(`${whole}${unit}`)
    rest -= whole * unitMs[unit]
  }
  return parts.slice(0, 2).join(' ')
}

/** A duration in a settings or policy file: text in, milliseconds out. */
export const Duration = z
  .string({ error: 'expected a length of time such as 90s, 15m, 4h or 7d' })
  .transform((text, context) => {
    try {
      return readDuration(text)
    } catch (error) {
      const { message, remedy } = toProblem(error)
      const how = remedy === undefined ? '' : `: ${remedy}`
      context.addIssue({ code: 'custom', message: `${message}${how}` })
      return z.NEVER
    }
  })
  .meta({ description: 'a length of time such as 90s, 15m, 4h, 7d' })
